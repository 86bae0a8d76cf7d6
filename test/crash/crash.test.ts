// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { crash } from './crash.js';

// `npm run crash` does the same with 200 kills and 20 million CIDs.
it('issues no CID twice over kills under load, with torn state in between', {
  timeout: 300_000,
}, async () => {
  const result = await crash({ kills: 7, cids: 200_000, tearEvery: 3, random: Math.random });
  expect(result.cids).toBeGreaterThanOrEqual(200_000);
  expect(result.duplicates).toBe(0);
  expect(result.plaintext).toBeGreaterThan(0);
  expect(result.leased).toBeGreaterThan(0);
  expect(result.early).toBeGreaterThan(0);
  expect(result.torn).toBeGreaterThanOrEqual(2);
  expect(result.refused).toBe(result.torn);
});
