// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { DesiredState, Pool } from '../../../registry/index.js';
import type {
  HealthCounts,
  HealthRecord,
  HealthStore,
  ServerHealth,
} from '../../reconcile/health-record.js';
import type { Verdict } from '../../reconcile/verdict.js';
import type { Ip } from '../next-hops/ip.js';
import { isChecked, keyOf } from './checked-pools.js';
import type { ReadSetting } from './eaten-answers.js';
import { EatenWatch } from './eaten-watch.js';
import { HealthKeeper } from './health-keeper.js';
import { HealthLog } from './health-log.js';
import { PoolHealth } from './pool-health.js';
import { ProbeSockets } from './probe-sockets.js';
import { ProbeTarget } from './probe-target.js';
import { Prober } from './prober.js';
import type { ProberClock } from './prober-clock.js';
import { takeHints } from './take-hints.js';
import { type HostWays, waysTo } from './ways.js';
import type { Wire, WireOptions } from './wire.js';

export interface HealthOptions {
  /** By which answers come in. */
  readonly device: { readonly name: string; readonly index: number };
  readonly guePort: number;
  readonly ip: Ip;
  readonly store: HealthStore;
  readonly log: Logger;
  readonly clock: ProberClock;
  /** Unix time in milliseconds. */
  readonly wallClock?: () => number;
  readonly openWire?: (options: WireOptions) => Promise<Wire>;
  readonly readSetting?: ReadSetting;
}

/** What others found out of the host by now. */
export type WaysOfHost = Pick<HostWays, 'outer' | 'nextHop'>;

/** Milliseconds after an outcome before pools decide, because outcomes come in bursts. */
const DECIDE_MS = 10;
/** Milliseconds for which a start waits for first answers. */
const FIRST_ROUND_MS = 3_000;

/** Checks the servers of the pools that ask for it, and says which of them can be reached. */
export class Health {
  readonly #options: HealthOptions;
  readonly #prober: Prober;
  readonly #sockets: ProbeSockets;
  readonly #eaten: EatenWatch;
  readonly #said: HealthLog;
  /** What the last agent found out; only of pools that are checked from the first state on. */
  #before: HealthRecord | undefined;
  readonly #pools = new Map<string, PoolHealth>();
  /** Servers of the last state that were not checked in it, by pool, name and address. */
  #unchecked: ReadonlySet<string> = new Set();
  #targets = new Map<string, ProbeTarget>();
  readonly #dirty = new Set<string>();
  #deciding: (() => void) | undefined;
  #following: Promise<unknown> = Promise.resolve();
  readonly #keeper: HealthKeeper;
  #onProbed: (() => void) | undefined;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#said = new HealthLog(options.log);
    this.#before = options.store.read();
    this.#prober = new Prober({
      clock: options.clock,
      onOutcome: (target) => this.#outcome(target),
      beforeGiveUp: () => {
        takeHints(this.#sockets.wire, this.#prober, this.#targets.values(), options.guePort);
      },
    });
    this.#keeper = new HealthKeeper({ ...options, record: () => this.record });
    this.#sockets = new ProbeSockets({
      ...options,
      onAnswer: (from, octets) => this.#prober.answered(from, octets),
    });
    this.#eaten = new EatenWatch({
      ...options,
      vips: () => [...this.#pools.values()].flatMap(({ pool }) => pool.vips),
      onLooked: (found) => {
        this.#said.eaten(found);
        for (const name of this.#pools.keys()) this.#dirty.add(name);
        this.#decide();
      },
    });
  }

  get counts(): HealthCounts {
    return this.#prober.counts;
  }

  get record(): HealthRecord {
    const pools = [...this.#pools.values()];
    return {
      servers: pools.flatMap(({ records }) => records),
      suspect: Object.fromEntries(
        pools.flatMap(({ name, suspect }) => (suspect === null ? [] : [[name, suspect]])),
      ),
    };
  }

  onChange(listener: () => void): void {
    this.#keeper.onKept(listener);
  }

  /** The servers to check from now on. */
  follow(desired: DesiredState, host: WaysOfHost): Promise<void> {
    // One at a time, because each may open sockets anew.
    const following = this.#following.then(() => this.#follow(desired, host));
    this.#following = following.catch(() => undefined);
    return following;
  }

  async #follow(desired: DesiredState, host: WaysOfHost): Promise<void> {
    const checked = desired.pools.filter(isChecked);
    await this.#sockets.open(checked);
    if (this.#closed) return;
    if (checked.length > 0 && this.#sockets.wire === undefined) {
      // Nothing new is learnt, and what is known holds: the dead must not come back by this.
      this.#keep(checked);
      this.#before = undefined;
      return;
    }
    this.#aim(checked, host);
    // A pool that is checked again later has been unchecked meanwhile: its servers count as up.
    this.#before = undefined;
    this.#unchecked = new Set(
      desired.pools
        .filter((pool) => !isChecked(pool))
        .flatMap(({ name, servers }) => servers.map((server) => keyOf(name, server))),
    );
    if (checked.length > 0) this.#eaten.look();
    this.#decide();
  }

  /** Resolves when each server was heard or missed once, or after some seconds. */
  async firstRound(): Promise<void> {
    const probed = () => [...this.#targets.values()].every((target) => target.probed);
    if (probed()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(FIRST_ROUND_MS, resolve);
      this.#onProbed = () => {
        if (!probed()) return;
        cancel();
        resolve();
      };
    });
    this.#onProbed = undefined;
    this.#decide();
  }

  verdicts(): Verdict[] {
    return [...this.#pools.values()].flatMap((pool) => pool.verdicts());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#following;
    this.#deciding?.();
    this.#eaten.close();
    this.#prober.close();
    this.#sockets.close();
    await this.#keeper.close();
  }

  #keep(checked: readonly Pool[]): void {
    this.#forgetOthers(checked);
    for (const pool of checked) this.#poolOf(pool).pool = pool;
    this.#targets.clear();
    this.#prober.follow([], undefined);
  }

  /** What is not checked any more must not be remembered on disk either. */
  #forgetOthers(checked: readonly Pool[]): void {
    const names = new Set(checked.map(({ name }) => name));
    const gone = [...this.#pools.keys()].filter((name) => !names.has(name));
    for (const name of gone) this.#pools.delete(name);
    if (gone.length > 0) this.#keeper.keep();
  }

  /** Targets that stay the same are the very ones that they were. */
  #aim(checked: readonly Pool[], { outer, nextHop }: WaysOfHost): void {
    const { guePort, device } = this.#options;
    const host = { inner: this.#sockets.inner, outer, nextHop, guePort, ifindex: device.index };
    const targets = new Map<string, ProbeTarget>();
    this.#forgetOthers(checked);
    for (const pool of checked) {
      const { health } = pool;
      if (health === undefined) continue;
      const of = this.#poolOf(pool);
      const byServer = new Map<string, ProbeTarget[]>();
      const unchecked: string[] = [];
      for (const server of pool.servers) {
        if (server.state === 'down') continue;
        const ways = waysTo(server, pool, health, host);
        if (ways.length === 0) unchecked.push(server.name);
        for (const { way, alternatives } of ways) {
          const key = JSON.stringify([pool.name, server.name, health, way, alternatives]);
          const target =
            this.#targets.get(key) ??
            new ProbeTarget({
              ...{ server: server.name, pool: pool.name, health, way, alternatives },
              standing: this.#standingOf(pool, server, of),
            });
          targets.set(key, target);
          const own = byServer.get(server.name);
          if (own === undefined) byServer.set(server.name, [target]);
          else own.push(target);
        }
      }
      of.pool = pool;
      of.health = health;
      of.targets = byServer;
      this.#said.unchecked(pool.name, unchecked);
      this.#dirty.add(pool.name);
    }
    this.#targets = targets;
    this.#prober.follow([...targets.values()], this.#sockets.wire);
  }

  #poolOf(pool: Pool): PoolHealth {
    const known = this.#pools.get(pool.name);
    if (known !== undefined) return known;
    const before = (this.#before?.servers ?? []).filter((each) => each.pool === pool.name);
    const addresses = new Map(pool.servers.map(({ name, address }) => [name, address]));
    const still = before.filter(({ server, address }) => addresses.get(server) === address);
    const { health } = pool;
    if (health === undefined) throw new Error('a pool that is checked says how');
    const made = new PoolHealth(pool, health, still);
    this.#pools.set(pool.name, made);
    return made;
  }

  /** A server that carries traffic already goes on until it fails; one that is new has to prove itself. */
  #standingOf(
    pool: Pool,
    server: Pool['servers'][number],
    of: PoolHealth,
  ): ServerHealth['standing'] {
    const record = of.recordOf(server.name);
    if (record?.address === server.address) return record.standing;
    if (pool.health?.start === 'proven') return 'up';
    return this.#unchecked.has(keyOf(pool.name, server)) ? 'up' : 'unproven';
  }

  #outcome(target: ProbeTarget): void {
    this.#onProbed?.();
    const record = this.#pools.get(target.pool)?.recordOf(target.server);
    // What changes no decision: an answer of what is up, a further miss of what is down.
    const { standing, misses } = target;
    if (
      record?.standing === standing &&
      standing === 'up' &&
      misses === 0 &&
      !this.#suspects(target.pool)
    )
      return;
    if (record?.standing === standing && standing === 'down' && record.reason === target.reason)
      return;
    this.#dirty.add(target.pool);
    if (standing === 'down' && record?.standing !== 'down') this.#eaten.look();
    this.#deciding ??= this.#options.clock.after(DECIDE_MS, () => this.#decide());
  }

  #suspects(pool: string): boolean {
    return this.#pools.get(pool)?.suspect !== null;
  }

  #decide(): void {
    this.#deciding?.();
    this.#deciding = undefined;
    const now = (this.#options.wallClock ?? Date.now)();
    let changed = false;
    for (const name of this.#dirty) {
      const pool = this.#pools.get(name);
      if (pool === undefined) continue;
      const before = new Map(pool.records.map((each) => [each.server, each]));
      const suspected = pool.suspect;
      if (!pool.decide(this.#eaten.found, now)) continue;
      changed = true;
      this.#said.changed(pool, before, suspected);
    }
    this.#dirty.clear();
    if (changed) this.#keeper.keep();
  }
}
