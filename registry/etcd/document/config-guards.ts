// SPDX-License-Identifier: Apache-2.0

import { Found, type Transition, type TransitionName } from '../../transitions/index.js';
import type { Allocation } from '../../types.js';
import { absent, type Condition, rangeEmpty, unchanged, valueOver } from '../client/index.js';
import { allForgot, waitingToForget } from '../fleet/acknowledgements.js';
import { configRestOf, hasRested } from '../fleet/config-rest.js';
import type { FleetView } from '../fleet/fleet-view.js';
import { describeWaiting, nobodyIssues, whoIssues } from '../fleet/gate.js';
import type { Keys } from '../layout/keys.js';
import { acknowledgement } from '../layout/revision.js';
import { type ConfigValue, configValueText } from '../layout/values/config.js';
import type { Assembly } from '../store/assembly.js';
import type { DesiredSnapshot } from '../store/read-once.js';
import type { KeyChange } from './key-changes.js';
import { keyOf } from './transactions.js';
import type { WantedPool } from './wanted.js';

/**
 * What must hold when the key of a config is changed, beside what the two states say: what hosts
 * still issue and hold. It is compared in the transaction that changes the key.
 */
export interface ConfigGuard {
  /** By which it is forced. */
  readonly name: TransitionName;
  /** Of the config. */
  readonly key: string;
  readonly conditions: readonly Condition[];
  /** Why it does not hold now; undefined where it does. */
  readonly violated: Transition | undefined;
}

/**
 * AGE, ABORT_RESTS: no config is removed or gets another meaning that was not in quarantine for
 * the longest connection age. USES: no config is quarantined or removed while a sidecar has a mark
 * for it. REMOVAL_ACKED, STALE_ACKED, QUARANTINE_SEEN: none comes out of quarantine, is removed
 * from it or gets another meaning before all agents, those too that are away, hold the quarantine.
 */
export function configGuards(
  present: Assembly,
  wanted: readonly WantedPool[],
  changes: readonly KeyChange[],
  seen: Seen,
): ConfigGuard[] {
  const { snapshot, keys, view } = seen;
  const guards: ConfigGuard[] = [];
  for (const { name: pool, configs, value } of present.pools) {
    const after = wanted.find(({ name }) => name === pool);
    for (const [id, before] of configs.values) {
      const now = after?.configs.find((each) => each.id === id);
      const key = keys.config(pool, id);
      if (!changes.some((change) => touches(change, key))) continue;
      const path = after === undefined ? ['pools'] : ['pools', pool, 'configs'];
      if (isReplaced(before, changes, key)) {
        guards.push(...restGuards({ pool, id, before, path, allocation: value?.allocation }, seen));
      }
      if (before.shape.state !== 'quarantined') {
        if (now !== undefined && now.shape.state !== 'quarantined') continue;
        const users = whoIssues(view, pool, id);
        guards.push({
          name: 'config-in-use',
          key,
          conditions: nobodyIssues(keys, pool, id),
          violated: violation('config-in-use', pool, path, users.length > 0, () => {
            const shown = users.length > 5 ? [...users.slice(0, 5), 'others'] : users;
            return `Config ${id} of pool ${pool} is ${now === undefined ? 'removed' : 'quarantined'} while ${shown.join(', ')} may issue under it, or have connections on its CIDs.`;
          }),
        });
        continue;
      }
      // The route back of connections that were left: nothing is read in another meaning.
      if (now?.shape.state === 'retiring') continue;
      const modRevision = snapshot.entries.get(key)?.modRevision ?? 0;
      const waiting = waitingToForget(view, modRevision);
      guards.push({
        name: 'config-not-forgotten',
        key,
        conditions: [unchanged(key, modRevision), ...forgotten(keys, view, modRevision)],
        violated: violation('config-not-forgotten', pool, path, waiting.length > 0, () => {
          return `Config ${id} of pool ${pool} leaves its quarantine while ${describeWaiting(waiting)} may still decode its CIDs as before.`;
        }),
      });
    }
  }
  return guards;
}

interface Seen {
  readonly snapshot: DesiredSnapshot;
  readonly keys: Keys;
  readonly view: FleetView;
}

interface Replaced {
  readonly pool: string;
  readonly id: number;
  readonly before: ConfigValue;
  readonly path: readonly (string | number)[];
  readonly allocation: Allocation | undefined;
}

/** AGE of one that is quarantined, ABORT_RESTS of one that is staged; what mints has other names. */
function restGuards(
  { pool, id, before, path, allocation }: Replaced,
  { snapshot, keys, view }: Seen,
): ConfigGuard[] {
  const { state } = before.shape;
  if (state !== 'staged' && state !== 'quarantined') return [];
  const name = 'config-not-rested';
  const key = keys.config(pool, id);
  // Nobody has heard of it where no agent has joined.
  const nobody = view.acks.size + view.stale.size === 0;
  if (nobody || state === 'staged') {
    const conditions = [rangeEmpty(keys.acks), rangeEmpty(keys.allStale)];
    const violated = violation(name, pool, path, !nobody, () => {
      return `Config ${id} of pool ${pool} is staged, and goes or gets another meaning without a quarantine: sidecars that ran out of nonces may have issued under it.`;
    });
    return [{ name, key, conditions, violated }];
  }
  const rested = view.quarantines.in(pool).get(String(id));
  const modRevision = snapshot.entries.get(key)?.modRevision ?? 0;
  const wanted = configRestOf(allocation);
  const since = rested?.value.of === modRevision ? rested.value.seconds : 0;
  const isViolated = !hasRested(rested, modRevision, wanted);
  return [
    {
      name,
      key,
      // What is not so now was not so when it was prepared; it is prepared anew then.
      conditions: isViolated
        ? [absent(keys.revision)]
        : [unchanged(keys.quarantine(pool, id), rested?.modRevision ?? 0)],
      violated: violation(name, pool, path, isViolated, () => {
        return `Config ${id} of pool ${pool} goes or gets another meaning after ${since} of ${wanted} seconds of quarantine, as the controller of the pool has measured it.`;
      }),
    },
  ];
}

/** Whether the config is removed, or its key and layout become others. */
function isReplaced(before: ConfigValue, changes: readonly KeyChange[], key: string): boolean {
  const meaning = (text: string) => {
    const { state: _, keyFile: __, resetKeyFile: ___, resetKey: ____, ...rest } = JSON.parse(text);
    return JSON.stringify(rest);
  };
  const puts = changes.flatMap((each) => ('put' in each && each.put === key ? [each.value] : []));
  const now = puts.at(-1);
  return now === undefined || meaning(now) !== meaning(configValueText(before));
}

/** Whether a change puts or removes a key. */
export function touches(change: KeyChange, key: string): boolean {
  return 'prefix' in change ? key.startsWith(change.remove) : keyOf(change) === key;
}

/** Where no agent has joined yet, there is nobody to forget anything. */
function forgotten(keys: Keys, view: FleetView, revision: number): readonly Condition[] {
  if (view.acks.size > 0) return allForgot(keys, view, revision);
  const before = acknowledgement(revision - 1);
  const away = view.stale.size === 0 ? rangeEmpty(keys.allStale) : valueOver(keys.allStale, before);
  return [rangeEmpty(keys.acks), away];
}

function violation(
  name: TransitionName,
  pool: string,
  path: readonly (string | number)[],
  isViolated: boolean,
  message: () => string,
): Transition | undefined {
  if (!isViolated) return undefined;
  const found = new Found();
  found.add(name, pool, [...path], message);
  return found.transitions[0];
}
