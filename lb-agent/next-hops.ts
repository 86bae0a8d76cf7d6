// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import type { NextHop } from '../bpf/tables/index.js';
import type { DesiredState, Server } from '../registry/index.js';
import { type Ip, resolveNextHops } from './neighbours.js';

/** `reply`: back to the neighbour that a packet came from. `resolve`: as the host would route. */
export type NextHopMode = 'reply' | 'resolve';

export interface NextHopsOptions {
  readonly mode: NextHopMode;
  readonly ip: Ip;
  readonly log: Logger;
}

/** Back to the neighbour that a packet came from. */
export const REPLY: NextHop = { mac: new Uint8Array(6), ifindex: 0, sourceMac: new Uint8Array(6) };

/** Neighbour table and routes change in bursts. */
const SETTLE_MS = 100;
/** Confirms neighbours that only XDP sends to, and sees what a monitor has missed. */
const REFRESH_MS = 15_000;
/** Unanswered ones are asked for again sooner. */
const RETRY_MS = 1_000;

/**
 * Where packets for each server leave, kept right while neighbours and routes change. A
 * server reached by `l2` has no other way, so it is resolved in either mode, and counts as
 * down for as long as it has no next hop.
 */
export class NextHops {
  readonly #options: NextHopsOptions;
  #followed: ReadonlySet<string> = new Set();
  #known: ReadonlyMap<string, NextHop> = new Map();
  #missing = '';
  /** When the kernel was last asked to confirm neighbours, in ms of a clock that never jumps. */
  #confirmed = Number.NEGATIVE_INFINITY;
  #monitor: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #resolving: Promise<void> | undefined;
  #closed = false;
  #onChange: () => void = () => {};

  constructor(options: NextHopsOptions) {
    this.#options = options;
  }

  /** Calls `listener` when next hops are different from before, but not out of `follow`. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  of(server: Pick<Server, 'address' | 'encapsulation'>): NextHop | null {
    return this.#resolves(server) ? (this.#known.get(server.address) ?? null) : null;
  }

  /** The servers to follow from now on; resolved when it returns, as far as neighbours answer. */
  async follow(desired: DesiredState): Promise<void> {
    const servers = desired.pools.flatMap((pool) => pool.servers);
    this.#followed = new Set(
      servers.filter((server) => this.#resolves(server)).map(({ address }) => address),
    );
    if (this.#followed.size === 0) return;
    this.#watch();
    await this.#refresh(false);
    // A neighbour that nobody has asked for yet answers within milliseconds, if at all.
    if (this.#known.size < this.#followed.size) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      await this.#refresh(false);
    }
  }

  /** The same state, with servers that cannot be reached taken as down. */
  reachable(desired: DesiredState): DesiredState {
    const lost = (server: Server) => server.encapsulation === 'l2' && this.of(server) === null;
    return {
      ...desired,
      pools: desired.pools.map((pool) => ({
        ...pool,
        servers: pool.servers.map((server) =>
          lost(server) ? { ...server, state: 'down' as const } : server,
        ),
      })),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#monitor?.kill();
    await this.#resolving;
  }

  #resolves({ encapsulation }: Pick<Server, 'encapsulation'>): boolean {
    return this.#options.mode === 'resolve' || encapsulation === 'l2';
  }

  #watch(): void {
    if (this.#monitor !== undefined || this.#closed) return;
    const monitor = spawn('ip', ['monitor', 'neigh', 'route', 'link'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#monitor = monitor;
    createInterface({ input: monitor.stdout }).on('line', () => this.#schedule(SETTLE_MS));
    // Without a monitor, changes are seen at the next refresh.
    monitor.once('error', () => {});
    monitor.once('exit', () => {
      this.#monitor = undefined;
    });
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#refresh(true), milliseconds);
  }

  async #refresh(tell: boolean): Promise<void> {
    this.#resolving ??= this.#resolve(tell).finally(() => {
      this.#resolving = undefined;
    });
    await this.#resolving;
  }

  async #resolve(tell: boolean): Promise<void> {
    const { ip, log } = this.#options;
    try {
      // What the monitor reports may be the answer to this: so not at each report.
      const now = performance.now();
      const confirm = now - this.#confirmed >= this.#pauseMs();
      if (confirm) this.#confirmed = now;
      const known = await resolveNextHops(this.#followed, ip, confirm);
      const changed = !sameHops(known, this.#known);
      this.#known = known;
      this.#report();
      if (changed && tell && !this.#closed) this.#onChange();
    } catch (error) {
      log.error({ message: String(error) }, 'cannot read routes and neighbours; keeping the last');
    }
    if (this.#followed.size > 0) this.#schedule(this.#pauseMs());
  }

  #pauseMs(): number {
    return this.#known.size < this.#followed.size ? RETRY_MS : REFRESH_MS;
  }

  /** Once for each set of servers without a next hop. */
  #report(): void {
    const missing = [...this.#followed].filter((address) => !this.#known.has(address)).join(' ');
    if (missing === this.#missing) return;
    this.#missing = missing;
    if (missing !== '') this.#options.log.warn({ missing }, 'no next hop to these servers');
  }
}

function sameHops(a: ReadonlyMap<string, NextHop>, b: ReadonlyMap<string, NextHop>): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([address, hop]) => sameHop(hop, b.get(address)));
}

export function sameHop(a: NextHop | undefined, b: NextHop | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.ifindex === b.ifindex &&
    Buffer.compare(a.mac, b.mac) === 0 &&
    Buffer.compare(a.sourceMac, b.sourceMac) === 0
  );
}
