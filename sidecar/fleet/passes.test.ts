// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PassFile } from './passes.js';

const OF = { pool: 'web', server: 'web-1' };
const PASS = { meaning: 'm', since: 7, ids: ['0a'] };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-passes-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('remembers passes, of one server of one pool', async () => {
  const file = await PassFile.open(folder, OF);
  expect(file.passes.size).toBe(0);
  await file.give(0, PASS);
  await file.give(1, { ...PASS, since: 8 });
  const again = await PassFile.open(folder, OF);
  expect(again.passes.get(0)).toEqual(PASS);
  expect(again.onDisk.get(1)?.since).toBe(8);
  expect((await PassFile.open(folder, { ...OF, server: 'web-2' })).passes.size).toBe(0);
  expect((await PassFile.open(folder, { ...OF, pool: 'dns' })).passes.size).toBe(0);
  await again.take(0);
  expect([...(await PassFile.open(folder, OF)).passes.keys()]).toEqual([1]);
});

it('holds nothing that is not on disk, and nothing that was taken', async () => {
  const file = await PassFile.open(folder, OF);
  await file.give(0, PASS);
  rmSync(folder, { recursive: true });
  await expect(file.give(1, PASS)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
  expect([...file.passes.keys()]).toEqual([0]);
  await expect(file.take(0)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
  expect(file.passes.size).toBe(0);
  // It is still on disk as far as is known, so it is tried again before the mark goes.
  expect(file.onDisk.has(0)).toBe(true);
  await expect(file.take(0)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
});

it.each(['', '{', '{"version":2}', '[]'])('refuses a file with %j', async (text) => {
  writeFileSync(join(folder, 'passes'), text);
  await expect(PassFile.open(folder, OF)).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  expect(readFileSync(join(folder, 'passes'), 'utf8')).toBe(text);
});
