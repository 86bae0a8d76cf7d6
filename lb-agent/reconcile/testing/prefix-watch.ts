// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../../core/index.js';
import type { DesiredState } from '../../../registry/index.js';
import type { Goal } from '../goal.js';
import { sameNextHop } from '../next-hop.js';
import { type Tables, vipKey } from '../tables.js';
import { ownersOf } from './apply-to.js';

/** Which address a CID of each ID reaches at each VIP, through a down server too. */
export function routes(tables: Tables): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, vip] of tables.vips) {
    for (const [
      config,
      {
        ids,
        decodePlan: { key: secret },
      },
    ] of tables.pools.get(vip.pool)?.configs ?? []) {
      for (const [hex, real] of ownersOf(ids)) {
        const address = tables.reals.get(real)?.address;
        const meaning = `${key} ${config} ${secret?.reveal()[0] ?? 'clear'} ${hex}`;
        if (address !== undefined) found.set(meaning, address);
      }
    }
  }
  return found;
}

/** What a document says about the same. */
export function meant(state: DesiredState): Map<string, string> {
  const found = new Map<string, string>();
  for (const pool of state.pools) {
    for (const vip of pool.vips) {
      for (const server of pool.servers) {
        for (const [config, ids] of server.serverIds) {
          const live = pool.configs.find((each) => each.id === config);
          const secret = live?.codec.decodePlan.key?.reveal()[0] ?? 'clear';
          for (const id of ids) {
            found.set(`${vipKey(vip)} ${config} ${secret} ${toHex(id)}`, server.address);
          }
        }
      }
    }
  }
  return found;
}

/** By VIP, the addresses that its new flows may go to. */
function takers(state: DesiredState, key: string): string[] {
  return state.pools
    .filter(({ vips }) => vips.some((vip) => vipKey(vip) === key))
    .flatMap(({ servers }) => servers.map(({ address }) => address));
}

/** Like expect, which takes longer than all that is checked here. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** What holds of every prefix of the operations of one change. */
export class PrefixWatch {
  readonly #actual: Tables;
  readonly #target: Tables;
  readonly #meant: readonly ReadonlyMap<string, string>[];
  readonly #takers: (key: string) => string[];

  constructor(goals: { before: Goal; after: Goal }, actual: Tables, target: Tables) {
    const documents = [goals.before.desired, goals.after.desired];
    this.#actual = actual;
    this.#target = target;
    this.#meant = documents.map(meant);
    this.#takers = (key) => documents.flatMap((each) => takers(each, key));
  }

  check(last: Tables, now: Tables): void {
    this.#checkCids(now);
    this.#checkIds(now);
    this.#checkVips(now);
    this.#checkRings(now);
    this.#checkReals(last, now);
  }

  #checkCids(now: Tables): void {
    const [before, after] = this.#meant;
    const found = routes(now);
    for (const [cid, address] of found) {
      const right = [before?.get(cid), after?.get(cid)];
      must(right.includes(address), `${cid} goes to ${address}, not to ${right}`);
    }
    for (const [cid, address] of after ?? []) {
      if (before?.get(cid) !== address) continue;
      must(found.get(cid) === address, `${cid} is lost, but means the same before and after`);
    }
  }

  /** Also of pools to which no VIP leads: their configs can come into use again. */
  #checkIds({ pools, reals }: Tables): void {
    for (const [pool, { configs }] of pools) {
      for (const [config, { ids }] of configs) {
        for (const real of ids.keys()) {
          must(
            reals.has(real),
            `config ${config} of pool ${pool} names real ${real}, which is none`,
          );
        }
      }
    }
  }

  #checkVips(now: Tables): void {
    for (const key of this.#actual.vips.keys()) {
      if (this.#target.vips.has(key)) must(now.vips.has(key), `${key} is away for a while`);
    }
  }

  #checkRings(now: Tables): void {
    for (const [ring, reals] of now.rings) {
      for (const real of reals) must(now.reals.has(real), `ring ${ring} leads to no real ${real}`);
    }
    for (const [key, { ring }] of now.vips) {
      if (ring === null) continue;
      const reals = now.rings.get(ring);
      must(reals !== undefined, `${key} leads to a ring that is freed, or not filled yet`);
      const allowed = this.#takers(key);
      for (const index of reals ?? []) {
        const real = now.reals.get(index);
        must(
          real?.down === false,
          `new flows of ${key} are dropped by real ${index}, which is down`,
        );
        must(allowed.includes(real?.address ?? ''), `${key} leads to the server of another pool`);
      }
    }
  }

  #checkReals(last: Tables, now: Tables): void {
    for (const [index, { nextHop, down, encapsulation }] of now.reals) {
      const final = this.#target.reals.get(index)?.nextHop;
      const known = [this.#actual.reals.get(index)?.nextHop, final];
      must(
        known.some((each) => each !== undefined && sameNextHop(each, nextHop)),
        `real ${index} has a next hop of neither before nor after`,
      );
      if (down) continue;
      must(encapsulation !== 'l2' || nextHop.kind !== 'reply', `packets for ${index} loop`);
      const cameUp = last.reals.get(index)?.down ?? true;
      const right = final !== undefined && sameNextHop(final, nextHop);
      must(!cameUp || right, `real ${index} came up before its next hop was right`);
    }
  }
}
