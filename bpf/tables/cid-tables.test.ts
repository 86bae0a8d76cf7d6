// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { ArrayView } from './array-view.js';
import { CidTables } from './cid-tables.js';
import { CID_CONFIG, CONFIGS_PER_POOL, SERVER_ID_ROW } from './layout.js';
import { serverIdRowsFor } from './table-shape.js';
import { randomNumbers, randomOctets } from './testing/cid-probe.js';
import { ManualClock } from './testing/manual-clock.js';

const COUNT = 3000;
const random = randomNumbers(7);
const octets = (length: number) => randomOctets(random, length);

/** As the agent sizes them for twice as many IDs. */
function tablesFor(length: number): CidTables {
  return new CidTables(
    ArrayView.inMemory(CONFIGS_PER_POOL, 4),
    ArrayView.inMemory(16, CID_CONFIG.size),
    ArrayView.inMemory(2 * serverIdRowsFor(2 * COUNT, length), SERVER_ID_ROW.size),
    new ManualClock(),
  );
}

it.each([8, 12])('as many IDs of %d octets again, one by one, take few new tables', (length) => {
  const ids = Array.from({ length: 2 * COUNT }, () => octets(length));
  const { decodePlan } = createCodec({
    ...{ scheme: 'quic-lb', configId: 0, serverIdLength: length, nonceLength: 4 },
    ...{ serverUseLength: 0, lengthSelfEncoded: true, key: null },
  });
  const tables = tablesFor(length);
  tables.setConfig(
    0,
    decodePlan,
    ids.slice(0, COUNT).map((id) => [id, 1]),
  );
  const sizes = new Set<number | undefined>();
  for (const id of ids.slice(COUNT)) {
    tables.setServerId(0, 0, id, 2);
    sizes.add(tables.configs()[0]?.rows);
  }
  expect(sizes.size).toBeLessThanOrEqual(5);
  expect(ids.filter((id) => tables.realOf(0, 0, id) === 0)).toEqual([]);
});

it('where there are no rows for room, a table that just fits will do', () => {
  const { decodePlan } = createCodec({
    ...{ scheme: 'quic-lb', configId: 0, serverIdLength: 8, nonceLength: 4 },
    ...{ serverUseLength: 0, lengthSelfEncoded: true, key: null },
  });
  // 100 buckets at the most, of which a table of 150 IDs takes 50, and one with room 75.
  const tables = new CidTables(
    ArrayView.inMemory(CONFIGS_PER_POOL, 4),
    ArrayView.inMemory(16, CID_CONFIG.size),
    ArrayView.inMemory(120, SERVER_ID_ROW.size),
    new ManualClock(),
  );
  const ids = Array.from({ length: 400 }, () => octets(8));
  tables.setConfig(
    0,
    decodePlan,
    ids.slice(0, 150).map((id) => [id, 1]),
  );
  let added = 150;
  const rows = () => tables.configs()[0]?.rows;
  const first = rows();
  for (; rows() === first; added++) tables.setServerId(0, 0, ids[added] ?? octets(8), 1);
  expect(rows()).toBeLessThan(70);
  expect(tables.realOf(0, 0, ids[added - 1] ?? octets(8))).toBe(1);
});
