// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import type * as promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { readRegularFile, whyUnreadable } from './regular-file.js';

// As if a regular file had been there when its kind was looked at.
vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof promises>();
  return { ...actual, stat: () => actual.stat('/proc/self/status', { bigint: true }) };
});

it('does not wait on a FIFO that took the place of a file after a look at it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cdc-race-'));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  try {
    const why = readRegularFile(path, 100).then(() => 'it was read', whyUnreadable);
    const waited = new Promise((resolve) => setTimeout(resolve, 2000, 'it waits'));
    expect(await Promise.race([why, waited])).toBe('is a FIFO, not a regular file');
  } finally {
    // Lets go whoever waits for a writer, or this process could not end.
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    rmSync(folder, { recursive: true });
  }
});
