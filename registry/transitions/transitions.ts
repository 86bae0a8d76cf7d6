// SPDX-License-Identifier: Apache-2.0
import { runAtOnce, runInSlices, type Steps } from '../document/steps.js';
import type { DesiredState, Pool } from '../types.js';
import { findConfigTransitions } from './configs.js';
import { type Counterparts, findCounterparts } from './counterparts.js';
import { Found, type Transition } from './found.js';
import { findMintingTransitions } from './minting.js';
import { findNonceSpaceTransitions } from './nonce-spaces.js';
import { counted, holdsConnections, sentence } from './pool-change.js';
import { findIdTransitions } from './server-ids.js';
import { findServerTransitions } from './servers.js';
import { findVipTransitions } from './vips.js';

/**
 * Every thing in the change from one valid state to another that loses connections or can repeat
 * CIDs, and what is worth a note besides; none for a step that docs/registry.md describes.
 *
 * It knows the two states and nothing else. So it takes a config that is minting or retiring to
 * have CIDs in use, a draining server, and one of weight 0, to have been waited for, and what is
 * quarantined to be forgotten as soon as it is removed.
 *
 * Takes time by the number of things; of server IDs, only those in lists that changed are looked
 * at one by one.
 */
export function transitions(before: DesiredState, after: DesiredState): Transition[] {
  return runAtOnce(transitionSteps(before, after));
}

/**
 * The same in slices of a few milliseconds, between which a daemon serves.
 *
 * @param signal when it is aborted, the work ends soon and throws its reason
 */
export function transitionsInSlices(
  before: DesiredState,
  after: DesiredState,
  signal: AbortSignal,
): Promise<Transition[]> {
  return runInSlices(transitionSteps(before, after), signal);
}

/** Whether it loses connections or can repeat CIDs. */
export function isLossy({ severity }: Transition): boolean {
  return severity !== 'note';
}

function* transitionSteps(before: DesiredState, after: DesiredState): Steps<Transition[]> {
  if (before === after || before.revision === after.revision) return [];
  const found = new Found();
  const counterparts = yield* findCounterparts(before, after);
  for (const pool of before.pools) {
    yield;
    const present = counterparts.pools.get(pool);
    if (present === undefined) ofRemovedPool(pool, found);
    else yield* ofPool(pool, present, counterparts, found);
  }
  yield* findVipTransitions(before, after, counterparts, found);
  yield* findNonceSpaceTransitions(before, after, counterparts, found);
  return found.transitions;
}

function* ofPool(before: Pool, after: Pool, counterparts: Counterparts, found: Found): Steps<void> {
  if (before.name !== after.name) {
    found.add('pool-renamed', after.name, ['pools', after.name], () =>
      sentence(`pool ${before.name} is now called ${after.name}`),
    );
  }
  const change = { before, after, counterparts, found };
  findConfigTransitions(change);
  findMintingTransitions(change);
  yield* findServerTransitions(change);
  yield* findIdTransitions(change);
}

function ofRemovedPool(pool: Pool, found: Found): void {
  if (!holdsConnections(pool)) return;
  const { name, vips, servers } = pool;
  found.add('pool-removed', name, ['pools'], () =>
    sentence(
      `pool ${name} is removed with ${counted(vips.length, 'VIP')} and ${counted(servers.length, 'server')}, and its connections with it`,
    ),
  );
}
