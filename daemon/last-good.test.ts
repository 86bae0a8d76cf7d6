// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LastGood } from './last-good.js';
import { createLog } from './log.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('has the newest on disk when it is closed, however large the one before was', async () => {
  const path = join(folder, 'last-good');
  const lastGood = new LastGood(path, createLog('test', 'silent'));
  // After so many octets it pauses for 20 s, which is longer than this test may take.
  await lastGood.save(() => 'x'.repeat(40_000_000));
  void lastGood.save(() => 'newer');
  await lastGood.close();
  expect(await readFile(path, 'utf8')).toBe('newer');
});
