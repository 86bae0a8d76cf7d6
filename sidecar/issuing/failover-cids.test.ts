// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomFillSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { failoverCid } from '../../cid/index.js';
import { Secret, toHex } from '../../core/index.js';
import { NonceSpaces } from '../state/nonce-spaces.js';
import { StateStore } from '../state/state-store.js';
import { FailoverCids } from './failover-cids.js';

const resetKey = new Secret(randomBytes(16));
let folder: string;
let store: StateStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  store = await StateStore.open({ folder, start: 'init' });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** What a sidecar makes after a start. */
function cidsOf(cidLength: number, key = resetKey): FailoverCids {
  const spaces = new NonceSpaces(store, {});
  return new FailoverCids({ resetKey: key, cidLength, space: (form) => spaces.ofFailover(form) });
}

/** `count` CIDs, for which counters are recorded as they are needed. */
async function make(from: FailoverCids, length: number, count: number, zeroHostId = false) {
  const cids: Uint8Array[] = [];
  while (cids.length < count) {
    const made = from.make(count - cids.length, zeroHostId);
    if (made === undefined) await from.space(zeroHostId).prepare();
    else cids.push(...each(made, length));
  }
  return cids;
}

function each(cids: Uint8Array, length: number): Uint8Array[] {
  const count = cids.length / length;
  return Array.from({ length: count }, (_, i) => cids.subarray(i * length, (i + 1) * length));
}

it.each([10, 11, 12, 20])(
  'knows its own 0b111 CIDs of %i octets, and no others',
  async (length) => {
    const own = cidsOf(length);
    const other = cidsOf(length, new Secret(randomBytes(16)));
    const cids = await make(own, length, 1000);
    expect(new Set(cids.map(toHex)).size).toBe(1000);
    for (const cid of cids) {
      expect(cid[0]).toBe(0xe0 | (length - 1));
      expect(own.made(cid)).toBe(true);
    }
    const foreign = [
      ...(await make(other, length, 1000)),
      ...Array.from({ length: 1000 }, () => failoverCid(length, randomFillSync)),
    ];
    // One in 65536 passes by chance; five of 2000 do once in a hundred million runs.
    expect(foreign.filter((cid) => own.made(cid)).length).toBeLessThan(5);
    expect(own.made(randomBytes(length - 1))).toBe(false);
  },
);

it.each([8, 9])('uses all of the octets of CIDs of %i, and knows none', async (length) => {
  const own = cidsOf(length);
  const cids = await make(own, length, 1000);
  expect(new Set(cids.map(toHex)).size).toBe(1000);
  expect(cids.filter((cid) => own.made(cid))).toEqual([]);
});

it('leaves what few octets Katran V3 leaves, and knows longer ones', async () => {
  for (const length of [8, 13, 14]) {
    const own = cidsOf(length);
    const cids = await make(own, length, 1000, true);
    for (const cid of cids) expect([...cid.subarray(1, 5)]).toEqual([0, 0, 0, 0]);
    const known = cids.filter((cid) => own.made(cid)).length;
    if (length < 14) expect(known).toBeLessThan(5);
    else expect(known).toBe(1000);
  }
});

it.each([
  { length: 8, zeroHostId: true },
  { length: 8, zeroHostId: false },
  { length: 12, zeroHostId: false },
])(
  'repeats no CID of $length octets, over restarts either ($zeroHostId)',
  async ({ length, zeroHostId }) => {
    const seen = new Set<string>();
    for (let round = 0; round < 5; round++) {
      for (const cid of await make(cidsOf(length), length, 10_000, zeroHostId)) {
        seen.add(toHex(cid));
      }
      await store.close(); // As a crash would leave it: what was not given out is lost.
      store = await StateStore.open({ folder, start: 'existing' });
    }
    expect(seen.size).toBe(50_000);
  },
);

it('has no more than there are, and says so', async () => {
  const own = cidsOf(8);
  await make(own, 8, 1, true);
  const fingerprint = store.fingerprints.failover({ cidLength: 8, zeroHostId: true });
  const record = store.nonces.of(fingerprint, 3);
  record.used = 2n ** 24n;
  const again = cidsOf(8);
  expect(again.make(1, true)).toBeUndefined();
  await expect(again.space(true).prepare()).rejects.toMatchObject({
    code: 'NONCES_EXHAUSTED',
    message: expect.stringContaining('every 0b111 CID of 8 octets'),
  });
});
