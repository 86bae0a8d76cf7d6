// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Watch } from '../types.js';
import { watchFiles } from './watch-files.js';

/** What is waited for may come late on a busy machine. */
const SOON = { timeout: 120_000 };

let folder: string;
let watch: Watch | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-watch-'));
  writeFileSync(join(folder, 'document'), 'one');
  mkdirSync(join(folder, 'keys'));
  writeFileSync(join(folder, 'keys/0'), 'old');
});

afterEach(async () => {
  await watch?.close();
  rmSync(folder, { recursive: true });
});

const timing = { settle: 10, poll: 60_000 };

it('sees a change of a file that is not watched yet when it is read', async () => {
  const key = join(folder, 'keys/0');
  const seen: string[] = [];
  const check = async () => {
    seen.push(readFileSync(key, 'utf8'));
    // A newly named file changes after it was read and before its folder is watched.
    if (seen.length === 1) writeFileSync(key, 'new');
    return [join(folder, 'document'), key];
  };
  watch = await watchFiles([join(folder, 'document')], check, timing);
  await vi.waitFor(() => expect(seen.at(-1)).toBe('new'), SOON);
});

it('watches the folder that took the place of a watched one', async () => {
  const key = join(folder, 'keys/0');
  let seen = '';
  const check = async () => {
    seen = readFileSync(key, 'utf8');
    return [join(folder, 'document'), key];
  };
  watch = await watchFiles([join(folder, 'document'), key], check, timing);
  await vi.waitFor(() => expect(seen).toBe('old'), SOON);
  renameSync(join(folder, 'keys'), join(folder, 'keys.before'));
  mkdirSync(join(folder, 'keys'));
  writeFileSync(key, 'second');
  await vi.waitFor(() => expect(seen).toBe('second'), SOON);
  // Long enough for the poll to watch the new folder; from then on only events are left.
  await new Promise((resolve) => setTimeout(resolve, 100));
  writeFileSync(key, 'third');
  await vi.waitFor(() => expect(seen).toBe('third'), SOON);
});

it('goes on after a check that throws', async () => {
  let calls = 0;
  const check = async () => {
    calls++;
    if (calls === 1) throw new Error('the check is broken');
    return [join(folder, 'document')];
  };
  const warned = new Promise((resolve) => process.once('warning', resolve));
  watch = await watchFiles([join(folder, 'document')], check, timing);
  expect(await warned).toMatchObject({ message: 'the check is broken' });
  writeFileSync(join(folder, 'document'), 'two');
  await vi.waitFor(() => expect(calls).toBeGreaterThan(1), SOON);
});

it('sees a change while others come and go in its folder all the time', async () => {
  let looks = 0;
  const check = async () => {
    looks += 1;
    return [join(folder, 'document')];
  };
  // Quiet for so long there is never, and no poll will come.
  const slow = { settle: 200, longest: 60_000, poll: 60_000 };
  watch = await watchFiles([join(folder, 'document')], check, slow);
  await vi.waitFor(() => expect(looks).toBe(1), SOON);
  await new Promise((resolve) => setTimeout(resolve, 500)); // The look after the first watch.
  const before = looks;
  const busy = setInterval(() => writeFileSync(join(folder, 'other'), 'x'), 20);
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(looks).toBe(before); // Others are not looked at.
    writeFileSync(join(folder, 'document'), 'two');
    await vi.waitFor(() => expect(looks).toBe(before + 1), { timeout: 120_000 });
  } finally {
    clearInterval(busy);
  }
});

it('sees a change of a file that changes all the time', async () => {
  let looks = 0;
  const check = async () => {
    looks += 1;
    return [join(folder, 'document')];
  };
  const slow = { settle: 200, longest: 300, poll: 60_000 };
  watch = await watchFiles([join(folder, 'document')], check, slow);
  const busy = setInterval(() => writeFileSync(join(folder, 'document'), 'x'), 20);
  try {
    await vi.waitFor(() => expect(looks).toBeGreaterThan(3), { timeout: 120_000 });
  } finally {
    clearInterval(busy);
  }
});

it('closes without waiting for a check that never ends', async () => {
  const never = new Promise<readonly string[]>(() => {});
  let begun = false;
  watch = await watchFiles(
    [join(folder, 'document')],
    () => {
      begun = true;
      return never;
    },
    timing,
  );
  await vi.waitFor(() => expect(begun).toBe(true), SOON);
  await watch.close();
});
