// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { NextHop } from '../../../bpf/tables/index.js';
import { SayOnce, SerialWork } from '../../../core/index.js';
import type { DesiredState, Server } from '../../../registry/index.js';
import type { MaybeUnreachable } from '../../reconcile/model.js';
import type { Ip, IpMonitor } from './ip.js';
import { findWays, type Ingress, type Way } from './neighbours.js';
import { REPLY, type Standing, sameStanding, standingAfter } from './standing.js';

/** `reply`: back to the neighbour that a packet came from. `resolve`: as the host would route. */
export type NextHopMode = 'reply' | 'resolve';

export interface NextHopsOptions {
  readonly mode: NextHopMode;
  readonly ingress: Ingress;
  readonly ip: Ip;
  readonly monitor: IpMonitor;
  readonly log: Logger;
}

type Target = Pick<Server, 'address' | 'encapsulation'>;

/** Neighbour table and routes change in bursts. */
const SETTLE_MS = 100;
/** Where they never settle, looking at them takes no more than a fifth of the time. */
const IDLE_SHARE = 4;
/** Confirms neighbours that only XDP sends to, and sees what a monitor has missed. */
const REFRESH_MS = 15_000;
/** Unanswered ones are asked for again sooner. */
const RETRY_MS = 1_000;

/**
 * Where packets for each server leave, kept right while neighbours and routes change. A
 * server reached by `l2` has no other way, so it is resolved in either mode. A server whose
 * packets would be lost counts as down.
 */
export class NextHops {
  readonly #options: NextHopsOptions;
  #followed: ReadonlyMap<string, Target> = new Map();
  #standings: ReadonlyMap<string, Standing> = new Map();
  /** By reason: the servers that it was logged of. */
  readonly #reasons = new SayOnce();
  readonly #errors = new SayOnce();
  /** When the kernel was last asked to confirm neighbours, in ms of a clock that never jumps. */
  #asked = Number.NEGATIVE_INFINITY;
  #monitor: { close(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  /** Monitored changes wait until then. */
  #restedAt = Number.NEGATIVE_INFINITY;
  readonly #resolving = new SerialWork(() => this.#resolve());
  #closed = false;
  #untold = false;
  #onChange: (() => void) | undefined;

  constructor(options: NextHopsOptions) {
    this.#options = options;
  }

  /**
   * Calls `listener` when next hops are different from before, but not out of `follow`; at
   * once where they have become so since.
   */
  onChange(listener: () => void): void {
    this.#onChange = listener;
    this.#tell();
  }

  /** The one that holds, or held last; null where none is known. */
  of(server: Target): NextHop | null {
    if (!this.#resolves(server)) return REPLY;
    return this.#standings.get(keyOf(server))?.hop ?? null;
  }

  /** The servers to follow from now on; resolved when it returns, as far as neighbours answer. */
  async follow(desired: DesiredState): Promise<void> {
    const servers = desired.pools.flatMap((pool) => pool.servers);
    this.#followed = new Map(
      servers
        .filter((server) => this.#resolves(server))
        .map(({ address, encapsulation }) => {
          const target = { address, encapsulation };
          return [keyOf(target), target];
        }),
    );
    if (this.#followed.size === 0) return;
    await this.#resolving.run();
    // A neighbour that nobody has asked for yet answers within milliseconds, if at all.
    if (this.#someWait()) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      await this.#resolving.run();
    }
    this.#untold = false;
  }

  /** The same state, with servers that cannot be reached taken as down, and why. */
  reachable(desired: DesiredState): DesiredState {
    return {
      ...desired,
      pools: desired.pools.map((pool) => ({
        ...pool,
        servers: pool.servers.map((server): MaybeUnreachable => {
          if (this.#reaches(server)) return server;
          const unreachable = this.#standings.get(keyOf(server))?.reason ?? 'not looked up yet';
          return { ...server, state: 'down', unreachable };
        }),
      })),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#monitor?.close();
    await this.#resolving.idle();
  }

  #resolves({ encapsulation }: Target): boolean {
    return this.#options.mode === 'resolve' || encapsulation === 'l2';
  }

  #reaches(server: Target): boolean {
    if (!this.#resolves(server)) return true;
    // Where nothing could be read, a tunnel is left as it is.
    return this.#standings.get(keyOf(server))?.reachable ?? server.encapsulation !== 'l2';
  }

  #someWait(): boolean {
    return [...this.#followed.keys()].some((key) => this.#standings.get(key)?.waiting ?? true);
  }

  #watch(): void {
    if (this.#monitor !== undefined || this.#closed) return;
    this.#monitor = this.#options.monitor(
      () => this.#schedule(Math.max(SETTLE_MS, this.#restedAt - performance.now())),
      // Without a monitor, changes are seen at the next refresh, which starts another.
      () => {
        this.#monitor = undefined;
      },
    );
    // It takes a moment to begin; what changes before is seen by then.
    this.#schedule(RETRY_MS);
  }

  /** Never later than what is scheduled: whoever reports without end must not put it off. */
  #schedule(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (this.#closed || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      void this.#resolving.run().then(() => this.#tell());
    }, milliseconds);
  }

  async #resolve(): Promise<void> {
    if (this.#closed || this.#followed.size === 0) return;
    const { ip, ingress, log } = this.#options;
    const followed = this.#followed;
    const start = performance.now();
    this.#watch();
    try {
      // What the monitor reports may be the answer to this: so not at each report.
      const unseen = [...followed.keys()].some((key) => !this.#standings.has(key));
      const ask = unseen || start - this.#asked >= this.#pauseMs();
      if (ask) this.#asked = start;
      const addresses = [...followed.values()].map(({ address }) => address);
      this.#judge(followed, await findWays(addresses, ip, ingress, ask));
      this.#report();
      this.#errors.over();
    } catch (error) {
      if (this.#errors.isNews(error)) {
        log.error({ error }, 'cannot read routes and neighbours; keeping the last');
      }
    }
    const end = performance.now();
    this.#restedAt = end + IDLE_SHARE * (end - start);
    this.#schedule(this.#pauseMs());
  }

  #judge(followed: ReadonlyMap<string, Target>, ways: ReadonlyMap<string, Way>): void {
    const standings = new Map<string, Standing>();
    for (const [key, { address, encapsulation }] of followed) {
      const before = this.#standings.get(key);
      const way = ways.get(address);
      if (way === undefined) continue;
      const standing = standingAfter(before, way, encapsulation === 'l2');
      standings.set(key, standing);
      if (!sameStanding(before, standing)) this.#untold = true;
    }
    this.#standings = standings;
  }

  #pauseMs(): number {
    return this.#someWait() ? RETRY_MS : REFRESH_MS;
  }

  /** Once for each set of servers of which the same is to be said. */
  #report(): void {
    const said = new Map<string, { certain: boolean; servers: string[] }>();
    for (const [key, { address }] of this.#followed) {
      const { reason = null, reachable = false, hop = null } = this.#standings.get(key) ?? {};
      if (reason === null) continue;
      const about = said.get(reason) ?? { certain: !reachable || hop === REPLY, servers: [] };
      about.servers.push(address);
      said.set(reason, about);
    }
    for (const [reason, { certain, servers }] of said) {
      const text = servers.join(' ');
      if (!this.#reasons.isNews(text, reason)) continue;
      if (certain)
        this.#options.log.warn({ missing: text, reason }, 'no next hop to these servers');
      else this.#options.log.warn({ servers: text, reason }, 'next hops with a condition');
    }
    this.#reasons.retain(said.keys());
  }

  #tell(): void {
    if (!this.#untold || this.#closed || this.#onChange === undefined) return;
    this.#untold = false;
    this.#onChange();
  }
}

/** A server by `l2` has needs of its own, though another may have the same address. */
function keyOf({ address, encapsulation }: Target): string {
  return encapsulation === 'l2' ? `l2 ${address}` : address;
}
