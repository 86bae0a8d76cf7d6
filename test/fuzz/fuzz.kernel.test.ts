// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REASONS, type Reason } from '../../bpf/tables/reasons.js';
import { DECAP_REASONS } from '../model/decap.js';
import { hex } from '../packets/build.js';
import { Pair } from './compare.js';
import { fuzzDecap } from './decap.js';
import { foundCases } from './found.js';
import { minimize } from './minimize.js';
import { pinToOneCpu } from './pin.js';
import { changesOf, fuzz, report, setupOf } from './run.js';

/** Reasons that depend on time, on readers or on the driver. The fixtures test them. */
const ELSEWHERE: readonly Reason[] = [
  'flow_expired',
  'too_big_unanswered',
  'icmp_over_rate',
  'no_headroom',
  'event_lost',
];

let release: () => void;
beforeAll(() => {
  release = pinToOneCpu().release;
});
afterAll(() => release());

test('kernel and model agree on random and mutated packets', async () => {
  const options = { seed: 20_250, packets: 150_000, packetsPerSetup: 10_000 };
  const { finding, packets, reasons } = await fuzz(options);
  expect(finding && report(finding)).toBeUndefined();
  expect(packets).toBe(150_000);
  // Agreement means little if all packets are rejected early, so every reason must occur.
  for (const reason of Object.keys(REASONS) as Reason[]) {
    if (ELSEWHERE.includes(reason)) continue;
    expect(reasons.get(reason) ?? 0, reason).toBeGreaterThan(20);
  }
});

test('so do the decapsulating program and its model', async () => {
  const { mismatch, packets, reasons } = await fuzzDecap(20_251, 30_000);
  expect(mismatch).toBeUndefined();
  expect(packets).toBe(30_000);
  for (const reason of DECAP_REASONS) {
    // Only a driver can refuse to move the head, and there is none here.
    if (reason !== 'no_room') expect(reasons.get(reason) ?? 0, reason).toBeGreaterThan(20);
  }
});

test('a mismatch is seen, and boiled down to one packet', async () => {
  const { finding } = await fuzz({
    seed: 1,
    packets: 20_000,
    mislead: (setup) => ({ ...setup, settings: { ...setup.settings, guePort: 1 } }),
  });
  expect(finding?.frames).toHaveLength(1);
  expect(finding && report(finding)).toMatch(/model: verdict 3/);
});

test('a packet is made as small as the property allows', () => {
  const frame = Uint8Array.from({ length: 200 }, (_, i) => i);
  const small = minimize(frame, (candidate) => candidate[30] === 30);
  expect(small).toHaveLength(31);
  expect(small.filter((octet) => octet !== 0)).toEqual(Uint8Array.of(30));
});

for (const { file, found } of foundCases()) {
  test(`${file}: ${found.sentence}`, async () => {
    const { setup } = setupOf(found.seed, found.setup);
    const pair = await Pair.load(setup);
    const changes = changesOf(found.seed, found.setup);
    for (let i = 0; i < found.changes; i++) pair.change(changes);
    try {
      for (const frame of found.frames) expect(pair.run(hex(frame))).toBeUndefined();
      expect(pair.counters()).toEqual([]);
    } finally {
      pair.close();
    }
  });
}
