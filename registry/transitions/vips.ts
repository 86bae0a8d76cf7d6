// SPDX-License-Identifier: Apache-2.0
import type { Path } from '../document/path.js';
import { ITEMS_PER_STEP, type Steps } from '../document/steps.js';
import type { DesiredState, Pool, Vip } from '../types.js';
import { type Counterparts, vipKey } from './counterparts.js';
import type { Found } from './found.js';
import { holdsConnections, placeOfPool, sentence } from './pool-change.js';

interface VipPlace {
  readonly vip: Vip;
  readonly pool: Pool;
  readonly index: number;
}

/**
 * What becomes of the packets of each VIP. A VIP of port 0 has every port that no other VIP of its
 * address and protocol has, so packets change hands where a VIP of one port comes or goes, too.
 */
export function* findVipTransitions(
  before: DesiredState,
  after: DesiredState,
  { pools }: Counterparts,
  found: Found,
): Steps<void> {
  const old = yield* placesOf(before);
  const now = yield* placesOf(after);
  let count = 0;
  for (const place of old.values()) {
    if (++count % ITEMS_PER_STEP === 0) yield;
    const present = pools.get(place.pool);
    // A pool that is gone is told of as a whole.
    if (present === undefined || !holdsConnections(place.pool)) continue;
    const next = takerOf(place.vip, now);
    if (next !== undefined) {
      compare(place, place.vip, next, present, found);
      continue;
    }
    const path: Path = [...placeOfPool(present), 'vips'];
    found.add('vip-removed', present.name, path, () =>
      sentence(
        `${vipName(place.vip)} of pool ${present.name} is removed, so its packets reach no server any more`,
      ),
    );
  }
  for (const [key, place] of now) {
    if (++count % ITEMS_PER_STEP === 0) yield;
    const former = old.has(key) ? undefined : takerOf(place.vip, old);
    const present = former && pools.get(former.pool);
    if (former === undefined || present === undefined || !holdsConnections(former.pool)) continue;
    compare(former, place.vip, place, present, found);
  }
}

/** @param present what the pool that had the packets is now */
function compare(before: VipPlace, packets: Vip, now: VipPlace, present: Pool, found: Found): void {
  const path: Path = [...placeOfPool(now.pool), 'vips', now.index];
  const what = vipName(packets);
  if (now.pool !== present) {
    found.add('vip-moved', present.name, path, () =>
      sentence(
        `the packets of ${what} go to pool ${now.pool.name} in place of pool ${present.name}, which does not know the connections`,
      ),
    );
  } else if (before.vip.quic && !now.vip.quic) {
    found.add('vip-quic-off', present.name, [...path, 'quic'], () =>
      sentence(
        `balancers no longer read CIDs on ${what} of pool ${present.name}, so its connections are lost when the address of their client changes`,
      ),
    );
  } else if (!before.vip.quic && now.vip.quic) {
    found.add('vip-quic-on', present.name, [...path, 'quic'], () =>
      sentence(`balancers begin to read CIDs on ${what} of pool ${present.name}`),
    );
  }
}

function* placesOf(state: DesiredState): Steps<Map<string, VipPlace>> {
  const places = new Map<string, VipPlace>();
  for (const pool of state.pools) {
    yield;
    for (const [index, vip] of pool.vips.entries()) {
      if (index % ITEMS_PER_STEP === ITEMS_PER_STEP - 1) yield;
      places.set(vipKey(vip), { vip, pool, index });
    }
  }
  return places;
}

/** The VIP of a state that gets the packets of this one. */
function takerOf(vip: Vip, places: ReadonlyMap<string, VipPlace>): VipPlace | undefined {
  return places.get(vipKey(vip)) ?? places.get(vipKey({ ...vip, port: 0 }));
}

function vipName({ protocol, address, port }: Vip): string {
  return `VIP ${protocol} ${address} port ${port === 0 ? '0 (every port)' : port}`;
}
