// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomFillSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { failoverCid } from '../../cid/index.js';
import { Secret, toHex } from '../../core/index.js';
import { FailoverCids } from './failover-cids.js';

const key = () => new Secret(randomBytes(16));

function each(cids: Uint8Array, length: number): Uint8Array[] {
  const count = cids.length / length;
  return Array.from({ length: count }, (_, i) => cids.subarray(i * length, (i + 1) * length));
}

it.each([10, 11, 12, 20])('knows its own 0b111 CIDs of %i octets, and no others', (length) => {
  const own = new FailoverCids(key(), length, randomFillSync);
  const other = new FailoverCids(key(), length, randomFillSync);
  const cids = each(own.make(1000, false), length);
  expect(new Set(cids.map(toHex)).size).toBe(1000);
  for (const cid of cids) {
    expect(cid[0]).toBe(0xe0 | (length - 1));
    expect(own.made(cid)).toBe(true);
  }
  const foreign = [
    ...each(other.make(1000, false), length),
    ...Array.from({ length: 1000 }, () => failoverCid(length, randomFillSync)),
  ];
  // One in 65536 passes by chance; five of 2000 do once in a hundred million runs.
  expect(foreign.filter((cid) => own.made(cid)).length).toBeLessThan(5);
  expect(own.made(randomBytes(length - 1))).toBe(false);
});

it.each([8, 9])('keeps all of the randomness of CIDs of %i octets, and knows none', (length) => {
  const own = new FailoverCids(key(), length, randomFillSync);
  const cids = each(own.make(1000, false), length);
  expect(new Set(cids.map(toHex)).size).toBe(1000);
  expect(cids.filter((cid) => own.made(cid))).toEqual([]);
});

it('leaves what little randomness Katran V3 leaves, and knows longer ones', () => {
  for (const length of [8, 13, 14]) {
    const own = new FailoverCids(key(), length, randomFillSync);
    const cids = each(own.make(1000, true), length);
    for (const cid of cids) expect([...cid.subarray(1, 5)]).toEqual([0, 0, 0, 0]);
    const known = cids.filter((cid) => own.made(cid)).length;
    if (length < 14) expect(known).toBeLessThan(5);
    else expect(known).toBe(1000);
  }
});
