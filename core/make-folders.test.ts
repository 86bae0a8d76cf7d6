// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolders, removeFolders } from './make-folders.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('makes what is missing, with the mode, and says what it made', () => {
  const path = join(folder, 'a', 'b');
  expect(makeFolders(path, 0o700)).toEqual([join(folder, 'a'), path]);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(makeFolders(path)).toEqual([]);
  expect(makeFolders('/')).toEqual([]);
  expect(makeFolders('.')).toEqual([]);
});

// Node's recursive mkdir never returns from either of these.
it.each(['/sys/kernel/one/two', '/proc/sys/one/two/three'])(
  'ends where a folder takes no others: %s',
  (path) => {
    expect(() => makeFolders(path)).toThrow(/^E(PERM|ACCES|NOENT|ROFS): .*\/one'$/);
  },
);

it('fails, and leaves nothing, where something else is in the way', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(() => makeFolders(file)).toThrow(/EEXIST/);
  expect(() => makeFolders(join(file, 'a', 'b'))).toThrow(/ENOTDIR/);
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  expect(() => makeFolders(join(folder, 'link', 'a'))).toThrow(/EEXIST/);
  const long = join(folder, 'made', 'x'.repeat(300), 'b');
  expect(() => makeFolders(long)).toThrow(/ENAMETOOLONG/);
  expect(existsSync(join(folder, 'made'))).toBe(false);
});

it('removes what it made as far as it is empty', () => {
  const made = makeFolders(join(folder, 'a', 'b', 'c'));
  writeFileSync(join(folder, 'a', 'file'), '');
  removeFolders(made);
  expect(existsSync(join(folder, 'a', 'b'))).toBe(false);
  expect(existsSync(join(folder, 'a', 'file'))).toBe(true);
});
