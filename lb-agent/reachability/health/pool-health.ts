// SPDX-License-Identifier: Apache-2.0
import type { HealthCheck, Pool, Server } from '../../../registry/index.js';
import type { ServerHealth } from '../../reconcile/health-record.js';
import type { Verdict } from '../../reconcile/verdict.js';
import { decideOut } from './floor.js';
import type { Standing } from './hysteresis.js';
import type { ProbeTarget } from './probe-target.js';

/** Whom the checks of one pool take out, and why. */
export class PoolHealth {
  readonly name: string;
  pool: Pool;
  health: HealthCheck;
  /** By server; those that cannot be probed are not in it. */
  targets: ReadonlyMap<string, readonly ProbeTarget[]> = new Map();
  /** The first that went out first. */
  #out: readonly string[];
  #suspect: string | null = null;
  #records: ReadonlyMap<string, ServerHealth> = new Map();

  constructor(pool: Pool, health: HealthCheck, before: readonly ServerHealth[]) {
    this.name = pool.name;
    this.pool = pool;
    this.health = health;
    this.#records = new Map(before.map((each) => [each.server, each]));
    this.#out = before.filter(({ out }) => out).map(({ server }) => server);
  }

  /** Why the check itself may be wrong, so that it takes no more servers out. */
  get suspect(): string | null {
    return this.#suspect;
  }

  get records(): readonly ServerHealth[] {
    return [...this.#records.values()];
  }

  recordOf(server: string): ServerHealth | undefined {
    return this.#records.get(server);
  }

  /**
   * Decides anew.
   *
   * @param drops why this host seems to drop answers, by VIP
   * @param now Unix time in milliseconds
   * @returns whether anything is different
   */
  decide(drops: ReadonlyMap<string, string>, now: number): boolean {
    const { health } = this;
    const eaten = this.#eaten(drops);
    const checked = this.pool.servers.filter(({ name }) => this.targets.has(name));
    const states = checked.map((server) => ({ server, ...this.#stateOf(server) }));
    const takers = states.filter(({ server }) => takesNewFlows(server));
    const decision = decideOut(
      takers.map(({ server, fails, doubtful }) => ({ name: server.name, fails, doubtful })),
      this.#out,
      eaten === null ? health.floor : HOLD,
    );
    this.#out = decision.out;
    const out = new Set(decision.out);
    const failing = takers.filter(({ fails }) => fails).length;
    const suspect = decision.suspect
      ? (eaten ??
        `${failing} of ${takers.length} servers fail, and a floor of ${health.floor} percent keeps them in use: the check or the network of this host may be at fault`)
      : null;
    const records = new Map<string, ServerHealth>();
    let changed = suspect !== this.#suspect;
    for (const { server, standing, reason } of states) {
      const { name, address } = server;
      const before = this.#records.get(name);
      const isOut = out.has(name);
      const same =
        before?.standing === standing && before.out === isOut && before.reason === reason;
      const since = before?.standing === standing ? before.since : now;
      const about = { pool: this.name, server: name, address };
      records.set(name, same ? before : { ...about, standing, out: isOut, reason, since });
      changed ||= !same;
    }
    changed ||= records.size !== this.#records.size;
    this.#suspect = suspect;
    this.#records = records;
    return changed;
  }

  verdicts(): Verdict[] {
    return this.pool.servers.flatMap((server): Verdict[] => {
      const { name } = server;
      const record = this.#records.get(name);
      if (record === undefined) return [];
      const reason = record.reason ?? '';
      const isDead = record.standing === 'down' && this.health.cids === 'fall-back';
      if (record.out)
        return [{ server: name, reachable: isDead ? false : 'for old flows', reason }];
      // The others get old flows alone, which a suspect check must not cut.
      if (isDead && this.#suspect === null && !takesNewFlows(server)) {
        return [{ server: name, reachable: false, reason }];
      }
      return [];
    });
  }

  /** Why nothing can be told. Where some answer from that VIP gets through, this host does not drop it. */
  #eaten(drops: ReadonlyMap<string, string>): string | null {
    if (drops.size === 0) return null;
    const targets = [...this.targets.values()].flat();
    for (const [vip, why] of drops) {
      const own = targets.filter(({ way }) => way.destination === vip);
      const heard = own.some(({ standing, misses }) => standing === 'up' && misses === 0);
      if (own.length > 0 && !heard) return why;
    }
    return null;
  }

  #stateOf({ name }: Server) {
    const targets = this.targets.get(name) ?? [];
    const standing = worst(targets.map((target) => target.standing));
    const bad = targets.find((target) => target.standing === standing);
    const doubtful = standing === 'unproven' || targets.some(({ misses }) => misses > 0);
    const fails =
      standing === 'down' || (standing === 'unproven' && this.health.start === 'unproven');
    return { standing, doubtful, fails, reason: standing === 'up' ? null : reasonOf(bad) };
  }
}

/** A floor under which none goes out. */
const HOLD = 'hold';

function reasonOf(target: ProbeTarget | undefined): string {
  if (target === undefined) return 'not checked yet';
  return target.misses === 0 ? 'it has not answered yet' : target.reason;
}

function worst(standings: readonly Standing[]): Standing {
  if (standings.includes('down')) return 'down';
  return standings.includes('unproven') ? 'unproven' : 'up';
}

function takesNewFlows({ state, weight }: Server): boolean {
  return state === 'active' && weight > 0;
}
