// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../../core/index.js';
import type { DesiredState, Server } from '../../../registry/index.js';
import type { FindNextHop } from '../../reconcile/goal.js';
import { REPLY } from '../../reconcile/next-hop.js';
import type { Verdict } from '../../reconcile/verdict.js';
import { Looks } from '../looks.js';
import type { Ip, IpMonitor } from './ip.js';
import { type NextHopState, sameState, stateAfter, stateByReply } from './next-hop-state.js';
import { type Ingress, ownAddresses, type Resolution, resolveAddresses } from './resolve.js';

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

/** Milliseconds to wait for more changes: neighbour table and routes change in bursts. */
const SETTLE_MS = 100;
/** Pause after each look, as a multiple of its time, so that looking takes a fifth of it at most. */
const IDLE_SHARE = 4;
/** Milliseconds until neighbours are confirmed again that only XDP sends to. */
const REFRESH_MS = 15_000;
/** Milliseconds until neighbours that did not answer are asked again. */
const RETRY_MS = 1_000;

/**
 * The next hop of each server, kept right while neighbours and routes change. An `l2` server
 * cannot do without, so it is resolved in either mode. Of a server whose packets go back the
 * way they came, all that this host can say is whether it is the host itself.
 */
export class NextHops {
  readonly #options: NextHopsOptions;
  #followed: ReadonlyMap<string, Target> = new Map();
  #states: ReadonlyMap<string, NextHopState> = new Map();
  /** By reason: the servers that it was logged of. */
  readonly #reasons = new SayOnce();
  readonly #errors = new SayOnce();
  /** When the kernel was last asked to confirm neighbours, in ms of a clock that never jumps. */
  #asked = Number.NEGATIVE_INFINITY;
  /** Monitored changes wait until then. */
  #restedAt = Number.NEGATIVE_INFINITY;
  readonly #looks: Looks;
  #untold = false;
  #onChange: (() => void) | undefined;

  constructor(options: NextHopsOptions) {
    this.#options = options;
    this.#looks = new Looks({
      monitor: options.monitor,
      settleMs: () => Math.max(SETTLE_MS, this.#restedAt - performance.now()),
      look: (due) => this.#resolve(due),
      onLooked: () => this.#tell(),
    });
  }

  /**
   * Calls `listener` when a next hop or a verdict has changed. What {@link follow} finds is not
   * told, because its caller looks at it anyway; what has changed since then is told at once.
   */
  onChange(listener: () => void): void {
    this.#onChange = listener;
    this.#tell();
  }

  /** Finds the next hop that holds, or held last, by what is known now and not later. */
  get find(): FindNextHop {
    const states = this.#states;
    return (server) => {
      if (!this.#resolves(server)) return REPLY;
      return states.get(keyOf(server))?.nextHop ?? null;
    };
  }

  /** The servers to follow from now on; resolved when it returns, as far as neighbours answer. */
  async follow(desired: DesiredState): Promise<void> {
    const servers = desired.pools.flatMap((pool) => pool.servers);
    this.#followed = new Map(
      servers.map(({ address, encapsulation }) => {
        const target = { address, encapsulation };
        return [keyOf(target), target];
      }),
    );
    this.#states = new Map([...this.#states].filter(([key]) => this.#followed.has(key)));
    if (!this.#someWait()) {
      // In a fleet the state changes often, and mostly not in where servers are.
      this.#untold = false;
      return;
    }
    await this.#looks.run();
    // A neighbour that nobody has asked for yet answers within milliseconds, if at all.
    if (this.#someWait()) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      await this.#looks.run();
    }
    this.#untold = false;
  }

  /** Which servers can be reached, as of now. */
  verdicts(desired: DesiredState): Verdict[] {
    return desired.pools.flatMap((pool) =>
      pool.servers.map((server): Verdict => {
        const { name } = server;
        if (this.#reaches(server)) return { server: name, reachable: true, reason: null };
        const reason = this.#states.get(keyOf(server))?.reason ?? 'not looked up yet';
        return { server: name, reachable: false, reason };
      }),
    );
  }

  async close(): Promise<void> {
    await this.#looks.close();
  }

  #resolves({ encapsulation }: Target): boolean {
    return this.#options.mode === 'resolve' || encapsulation === 'l2';
  }

  #reaches(server: Target): boolean {
    // Where nothing could be read, a tunnel is left as it is.
    return this.#states.get(keyOf(server))?.reachable ?? server.encapsulation !== 'l2';
  }

  #someWait(): boolean {
    return [...this.#followed.keys()].some((key) => this.#waits(key));
  }

  #waits(key: string): boolean {
    return this.#states.get(key)?.waiting ?? true;
  }

  /** @param due whether to look at all servers, or only at those that are new or did not answer */
  async #resolve(due: boolean): Promise<void> {
    if (this.#followed.size === 0) return;
    const { ip, ingress, log } = this.#options;
    const all = this.#followed;
    const followed = due ? all : new Map([...all].filter(([key]) => this.#waits(key)));
    const start = performance.now();
    // The monitor takes a moment to start, and does not report what changes until then.
    if (this.#looks.watch()) this.#looks.schedule(RETRY_MS);
    try {
      // Not at each report of the monitor, which may be of an answer to the last question.
      const unseen = [...followed.keys()].some((key) => !this.#states.has(key));
      const ask = unseen || start - this.#asked >= this.#pauseMs();
      if (ask && followed.size === all.size) this.#asked = start;
      const targets = [...followed.values()];
      const addressesOf = (resolved: boolean) =>
        targets.filter((each) => this.#resolves(each) === resolved).map(({ address }) => address);
      const [resolutions, own] = await Promise.all([
        resolveAddresses(addressesOf(true), ip, ingress, ask),
        ownAddresses(addressesOf(false), ip),
      ]);
      this.#judge(followed, resolutions, own);
      this.#report();
      this.#errors.over();
    } catch (error) {
      if (this.#errors.isNews(error)) {
        log.error({ error }, 'cannot read routes and neighbours; keeping the last');
      }
    }
    const end = performance.now();
    this.#restedAt = end + IDLE_SHARE * (end - start);
    this.#looks.schedule(this.#pauseMs());
  }

  #judge(
    followed: ReadonlyMap<string, Target>,
    resolutions: ReadonlyMap<string, Resolution>,
    own: ReadonlySet<string>,
  ): void {
    // What was not looked at stays as it was.
    const states = new Map(this.#states);
    for (const [key, target] of followed) {
      const before = this.#states.get(key);
      const state = this.#stateOf(target, before, resolutions, own);
      if (state === undefined) states.delete(key);
      else states.set(key, state);
      if (state === undefined) continue;
      if (!sameState(before, state)) this.#untold = true;
    }
    for (const key of states.keys()) if (!this.#followed.has(key)) states.delete(key);
    this.#states = states;
  }

  #stateOf(
    target: Target,
    before: NextHopState | undefined,
    resolutions: ReadonlyMap<string, Resolution>,
    own: ReadonlySet<string>,
  ): NextHopState | undefined {
    const { address, encapsulation } = target;
    if (!this.#resolves(target)) return stateByReply(own.has(address));
    const resolution = resolutions.get(address);
    return resolution && stateAfter(before, resolution, encapsulation === 'l2');
  }

  #pauseMs(): number {
    return this.#someWait() ? RETRY_MS : REFRESH_MS;
  }

  /** Once for each set of servers of which the same is to be said. */
  #report(): void {
    const said = new Map<string, { certain: boolean; servers: string[] }>();
    for (const [key, { address }] of this.#followed) {
      const { reason = null, reachable = false, nextHop = null } = this.#states.get(key) ?? {};
      if (reason === null) continue;
      const about = said.get(reason) ?? {
        certain: !reachable || nextHop?.kind === 'reply',
        servers: [],
      };
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
    if (!this.#untold || this.#looks.closed || this.#onChange === undefined) return;
    this.#untold = false;
    this.#onChange();
  }
}

/** A server by `l2` has needs of its own, though another may have the same address. */
function keyOf({ address, encapsulation }: Target): string {
  return encapsulation === 'l2' ? `l2 ${address}` : address;
}
