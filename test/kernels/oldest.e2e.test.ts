// SPDX-License-Identifier: Apache-2.0
/** The other tests run on a new kernel, but hosts have older ones, whose verifiers follow less. */
import { expect, test } from 'vitest';
import type { KernelReport } from './guest-main.js';
import { kernelImage, OLDEST } from './image.js';
import { runUnder } from './machine.js';

/** The most instructions that a verifier may walk, half of the million that it would. */
const ROOM_TO_SPARE = 500_000;

test('the packet programs run under the oldest kernel at hand, and as the model says', async () => {
  const kernel = kernelImage(OLDEST);
  const said = await runUnder(kernel, 'test/kernels/guest-main', ['4000', '2']);
  const report = JSON.parse(said) as KernelReport;
  expect(report.release).toBe(kernel.release);
  expect(report.programs.map(({ name }) => name)).toEqual(['balancer', 'decap']);
  for (const { verifiedInstructions, jitedOctets } of report.programs) {
    expect(verifiedInstructions).toBeLessThan(ROOM_TO_SPARE);
    expect(jitedOctets).toBeGreaterThan(0);
  }
  expect(report.mismatch).toBeUndefined();
  expect(report.packets).toBe(4000);
  expect(report.attached).toBe(true);
});
