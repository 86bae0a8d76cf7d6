// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { familyOf, SayOnce } from '../../../core/index.js';
import type { Pool } from '../../../registry/index.js';
import type { Ip } from '../next-hops/ip.js';
import { readAddresses } from '../tunnel-sources/addresses.js';
import { chooseSource } from '../tunnel-sources/choose.js';
import type { SourcesByFamily } from './ways.js';
import { SocketWire, type Wire, type WireOptions } from './wire.js';

export interface ProbeSocketsOptions {
  /** By which answers come in. */
  readonly device: { readonly name: string };
  readonly ip: Ip;
  readonly log: Logger;
  readonly openWire?: (options: WireOptions) => Promise<Wire>;
  readonly onAnswer: WireOptions['onAnswer'];
}

/** Source ports of each family; a check of udp takes one for each probe under way. */
const PORTS_QUIC = 16;
const PORTS_UDP = 128;

/** The sockets of the checks, which follow the addresses of this host. */
export class ProbeSockets {
  readonly #options: ProbeSocketsOptions;
  readonly #troubles = new SayOnce();
  #inner: SourcesByFamily = { source4: null, source6: null };
  #wire: { readonly wire: Wire; readonly of: string } | undefined;

  constructor(options: ProbeSocketsOptions) {
    this.#options = options;
  }

  /** Undefined where nothing is checked, or nothing can be sent. */
  get wire(): Wire | undefined {
    return this.#wire?.wire;
  }

  /** Where answers come to. */
  get inner(): SourcesByFamily {
    return this.#inner;
  }

  /** Opens what these pools need, if it is not open yet. */
  async open(checked: readonly Pool[]): Promise<void> {
    try {
      if (checked.length === 0) this.close();
      else await this.#open(checked);
      this.#troubles.over();
    } catch (error) {
      if (this.#troubles.isNews(error)) {
        const { log } = this.#options;
        log.error({ error }, 'health checks cannot be sent; servers stay as they are');
      }
      this.close();
    }
  }

  close(): void {
    this.#wire?.wire.close();
    this.#wire = undefined;
  }

  async #open(checked: readonly Pool[]): Promise<void> {
    this.#inner = await this.#innerSources(checked);
    const places = checked.some(({ health }) => health?.check === 'udp') ? PORTS_UDP : PORTS_QUIC;
    const of = JSON.stringify([this.#inner, places]);
    if (this.#wire?.of === of) return;
    this.close();
    const { openWire = SocketWire.open, onAnswer } = this.#options;
    this.#wire = { wire: await openWire({ ...this.#inner, places, onAnswer }), of };
  }

  /** Addresses of this host, never a VIP. */
  async #innerSources(checked: readonly Pool[]): Promise<SourcesByFamily> {
    const addresses = await readAddresses(this.#options.ip);
    const vips = new Set(checked.flatMap((pool) => pool.vips.map(({ address }) => address)));
    const needed = new Set(
      checked.flatMap((pool) =>
        [...pool.vips, ...pool.servers].map(({ address }) => familyOf(address)),
      ),
    );
    const choose = (family: 4 | 6) => {
      if (!needed.has(family)) return null;
      const current = this.#inner[`source${family}`];
      const about = { family, interface: this.#options.device.name, addresses, vips };
      return chooseSource({ ...about, routes: [], current }).address;
    };
    return { source4: choose(4), source6: choose(6) };
  }
}
