// SPDX-License-Identifier: Apache-2.0
import { BlockList } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { CidecarError, familyOf, SayOnce } from '../../../core/index.js';
import { type DesiredState, type Server, vipAddresses } from '../../../registry/index.js';
import { Looks } from '../looks.js';
import { type Ip, type IpMonitor, readRoutes } from '../next-hops/ip.js';
import { readAddresses } from './addresses.js';
import { type Choice, chooseSource } from './choose.js';

export interface TunnelSourcesOptions {
  /** The one that packets come in by. */
  readonly interface: string;
  /** What the operator named; the bits after the prefix vary by flow. */
  readonly source4?: { readonly address: string; readonly prefixLength: number } | undefined;
  readonly source6?: string | undefined;
  readonly ip: Ip;
  readonly monitor: IpMonitor;
  readonly log: Logger;
}

/** What of a state a look depends on. */
interface Question {
  readonly wanted: readonly (4 | 6)[];
  /** Of servers, as many as are looked at. */
  readonly addresses: readonly string[];
  /** What has to be answered before the state is in force, as text. */
  readonly needs: string;
  /** What only decides between several sources, as text. */
  readonly routes: string;
}

/** By family of the server; null: there is no such address. */
export interface Sources {
  readonly source4: string | null;
  readonly source6: string | null;
}

/** Milliseconds to wait for more changes. */
const SETTLE_MS = 200;
/** Milliseconds before a look that other servers ask for, where there is a source already. */
const ROUTES_MS = 1_000;
/** Milliseconds between looks that no change has asked for. */
const REFRESH_MS = 15_000;
/** Milliseconds for which a start waits until the kernel knows that an address is its own. */
const TENTATIVE_MS = 4_000;
/** Servers of a family whose routes are looked at. */
const ROUTES = 64;

/**
 * Where tunnels come from: what the operator named, or else addresses of this host, followed
 * as they change.
 */
export class TunnelSources {
  readonly #options: TunnelSourcesOptions;
  readonly #looks: Looks;
  readonly #said = new SayOnce();
  #desired: DesiredState | undefined;
  /** For what it looked last; undefined where that failed. */
  #asked: Question | undefined;
  #current: Sources = { source4: null, source6: null };
  /** What was found last, of each family that is looked for. */
  #choices: ReadonlyMap<4 | 6, Choice> = new Map();
  /** A change that nobody was told of. */
  #untold = false;
  #onChange: (() => void) | undefined;

  constructor(options: TunnelSourcesOptions) {
    this.#options = options;
    this.#looks = new Looks({
      monitor: options.monitor,
      settleMs: () => SETTLE_MS,
      look: () => this.#look(),
      onLooked: () => this.#tell(),
    });
  }

  get current(): Sources {
    const { source4, source6 } = this.#options;
    return {
      source4: source4?.address ?? this.#current.source4,
      source6: source6 ?? this.#current.source6,
    };
  }

  /**
   * Calls `listener` when {@link current} has changed. What {@link follow} finds is not told,
   * because its caller looks at it anyway; what has changed since then is told at once.
   */
  onChange(listener: () => void): void {
    this.#onChange = listener;
    this.#tell();
  }

  /**
   * Looks for sources for this state. Those that may be used still are kept; where these are
   * enough it looks soon, and is not waited for: a look costs two processes, and a fleet changes
   * often.
   */
  async follow(desired: DesiredState): Promise<void> {
    this.#desired = desired;
    const asked = this.#question(desired);
    if (this.#isAnswered(asked)) {
      if (asked.routes !== this.#asked?.routes) this.#looks.schedule(ROUTES_MS);
      return;
    }
    await this.#looks.run();
    const until = performance.now() + TENTATIVE_MS;
    while (this.#waits() && performance.now() < until && !this.#looks.closed) {
      await sleep(SETTLE_MS);
      await this.#looks.run();
    }
    this.#untold = false;
  }

  /**
   * Where a state cannot be tunnelled: said here, rather than halfway through.
   * @throws CidecarError ARGUMENT_INVALID; INTERFACE_WITHOUT_ADDRESS, which may pass
   */
  check(desired: DesiredState): void {
    this.#refuseVips(desired);
    for (const server of tunnelled(desired)) {
      const family = familyOf(server.address);
      if (this.current[`source${family}`] !== null) continue;
      const found = this.#choices.get(family)?.because ?? `${this.#options.interface} has none`;
      throw new CidecarError(
        'INTERFACE_WITHOUT_ADDRESS',
        `${server.name} has an IPv${family} address, and there is none to tunnel from (${found}): give --source${family === 6 ? '6' : ''}`,
      );
    }
  }

  async close(): Promise<void> {
    await this.#looks.close();
  }

  #refuseVips(desired: DesiredState): void {
    const { source4, source6 } = this.#options;
    const given = new BlockList();
    if (source4 !== undefined) given.addSubnet(source4.address, source4.prefixLength, 'ipv4');
    const { source4: four, source6: six } = this.current;
    const needed = new Set(tunnelled(desired).map(({ address }) => familyOf(address)));
    for (const vip of vipAddresses(desired)) {
      const isSix = familyOf(vip) === 6;
      const hit = isSix ? vip === six : vip === four || given.check(vip, 'ipv4');
      if (!hit) continue;
      const named = isSix ? source6 !== undefined : source4 !== undefined;
      if (!named && !needed.has(familyOf(vip))) continue;
      const flag = isSix ? '--source6' : '--source';
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `${vip} is a VIP, and ${named ? `${flag} has it` : 'there is no other address to tunnel from'}: servers have VIPs themselves, and take no tunnels from them; ${named ? 'name another address' : `give ${flag}`}`,
      );
    }
  }

  #question(desired: DesiredState): Question {
    const servers = tunnelled(desired);
    const wanted = this.#wanted(servers);
    const looked = wanted.flatMap((family) =>
      servers.filter((server) => familyOf(server.address) === family).slice(0, ROUTES),
    );
    const addresses = looked.map(({ address }) => address);
    const needs = JSON.stringify([wanted, vipAddresses(desired)]);
    return { wanted, addresses, needs, routes: addresses.join(' ') };
  }

  #isAnswered({ wanted, needs }: Question): boolean {
    if (needs !== this.#asked?.needs || this.#waits()) return false;
    return wanted.every((family) => this.#current[`source${family}`] !== null);
  }

  #waits(): boolean {
    return [...this.#choices.values()].some(({ waiting }) => waiting);
  }

  /** Families that servers need and for which nothing was named. */
  #wanted(servers: readonly Server[]): (4 | 6)[] {
    const { source4, source6 } = this.#options;
    return ([4, 6] as const).filter((family) => {
      if ((family === 4 ? source4 : source6) !== undefined) return false;
      return servers.some((server) => familyOf(server.address) === family);
    });
  }

  async #look(): Promise<void> {
    const desired = this.#desired;
    if (desired === undefined) return;
    const asked = this.#question(desired);
    const { wanted } = asked;
    if (wanted.length === 0) return;
    const { ip, log, interface: name } = this.#options;
    this.#looks.watch();
    this.#asked = undefined;
    try {
      const [addresses, routes] = await Promise.all([
        readAddresses(ip),
        readRoutes(asked.addresses, ip),
      ]);
      const vips = new Set(vipAddresses(desired));
      this.#choices = new Map(
        wanted.map((family) => {
          const to = [...routes].filter(([address]) => familyOf(address) === family);
          const current = this.#current[`source${family}`];
          const circumstances = { family, interface: name, addresses, vips, current };
          return [family, chooseSource({ ...circumstances, routes: to.map(([, way]) => way) })];
        }),
      );
      for (const [family, choice] of this.#choices) this.#take(family, choice);
      this.#asked = asked;
      this.#said.over('trouble');
    } catch (error) {
      if (this.#said.isNews(error, 'trouble')) {
        log.error({ error }, 'cannot read the addresses of this host; keeping the last');
      }
    }
    this.#looks.schedule(REFRESH_MS);
  }

  #take(family: 4 | 6, { address, because, waiting }: Choice): void {
    const { log } = this.#options;
    const before = this.#current[`source${family}`];
    const topic = `source ${family}`;
    if (address === before) {
      this.#said.over(topic);
      return;
    }
    if (address === null) {
      // Better than none: routers may know the way back all the same.
      if (before !== null && !waiting && this.#said.isNews(because, topic)) {
        log.warn({ source: before, because }, 'tunnels come from an address that went away');
      }
      return;
    }
    this.#said.over(topic);
    this.#current = { ...this.#current, [`source${family}`]: address };
    const about = { source: address, because };
    if (before === null) log.info(about, 'tunnels come from this address');
    else log.warn({ ...about, before }, 'tunnels come from another address now');
    this.#untold = true;
  }

  #tell(): void {
    if (!this.#untold || this.#looks.closed || this.#onChange === undefined) return;
    this.#untold = false;
    this.#onChange();
  }
}

function tunnelled({ pools }: DesiredState): Server[] {
  return pools
    .flatMap(({ servers }) => servers)
    .filter(({ encapsulation }) => encapsulation !== 'l2');
}
