// SPDX-License-Identifier: Apache-2.0
import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { replaceFile, temporaryName } from './atomic-file.js';

/** What was done, in its order, and to which path. */
const calls: string[] = [];
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  return {
    ...fs,
    open: async (...args: Parameters<typeof fs.open>) => {
      const file = await fs.open(...args);
      const { sync } = file;
      file.sync = () => {
        calls.push(`sync ${basename(String(args[0]))}`);
        return sync.call(file);
      };
      return file;
    },
    rename: (from: string, to: string) => {
      calls.push(`rename ${basename(from)} ${basename(to)}`);
      return fs.rename(from, to);
    },
  };
});

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-atomic-'));
  path = join(folder, 'state');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('puts a new file in the place of the old one, which stays as it was', async () => {
  writeFileSync(path, 'old');
  const other = join(folder, 'hard-link');
  linkSync(path, other);
  await replaceFile(path, { mode: 0o600, content: 'new' });
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readFileSync(other, 'utf8')).toBe('old');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).sort()).toEqual(['hard-link', 'state']);
});

it('does not write into what a crash left, nor keep its permissions', async () => {
  writeFileSync(temporaryName(path), 'half of what was to be wri', { mode: 0o666 });
  const { ino } = statSync(temporaryName(path));
  linkSync(temporaryName(path), join(folder, 'hard-link')); // Keeps the inode in use.
  await replaceFile(path, { mode: 0o600, content: 'new' });
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).ino).not.toBe(ino);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('lets the content know the file that it goes into', async () => {
  await replaceFile(path, {
    mode: 0o600,
    content: async (file) => String((await file.stat()).ino),
  });
  expect(readFileSync(path, 'utf8')).toBe(String(statSync(path).ino));
});

it('leaves the old content where the new one cannot be made or written', async () => {
  writeFileSync(path, 'old');
  const content = () => Promise.reject(new Error('no content'));
  await expect(replaceFile(path, { mode: 0o600, content })).rejects.toThrow('no content');
  expect(readFileSync(path, 'utf8')).toBe('old');
  const nowhere = join(folder, 'none', 'state');
  await expect(replaceFile(nowhere, { mode: 0o600, content: 'new' })).rejects.toMatchObject({
    code: 'ENOENT',
  });
});

it('is on disk before it takes its place, and its place is then', async () => {
  calls.length = 0;
  await replaceFile(path, { mode: 0o600, content: 'new' });
  expect(calls).toEqual(['sync state.new', 'rename state.new state', `sync ${basename(folder)}`]);
});
