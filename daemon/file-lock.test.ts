// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FileLock } from './file-lock.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-file-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it('has one holder, and another when that one gives it back', async () => {
  const lock = await FileLock.acquire(path, 'somebody works here');
  await expect(FileLock.acquire(path, 'somebody works here')).rejects.toMatchObject({
    code: 'STATE_LOCKED',
    message: 'somebody works here',
    place: { file: path },
  });
  await lock.file.write('kept');
  await lock.release();
  const next = await FileLock.acquire(path, '');
  expect(await next.file.readFile('utf8')).toBe('kept');
  await next.release();
  expect(existsSync(path)).toBe(true);
});

it('is refused where the file is a FIFO, on whose content a holder would wait', async () => {
  execFileSync('mkfifo', [path]);
  await expect(FileLock.acquire(path, '')).rejects.toMatchObject({
    code: 'STATE_UNWRITABLE',
    message: 'is not a regular file',
  });
});

it('is given back by the death of the holder', async () => {
  const holder = spawn('flock', ['-o', path, 'sh', '-c', 'echo held; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await once(holder.stdout, 'data');
  await expect(FileLock.acquire(path, 'held')).rejects.toMatchObject({ code: 'STATE_LOCKED' });
  if (holder.pid === undefined) throw new Error('flock was not started');
  process.kill(-holder.pid, 'SIGKILL');
  await once(holder, 'exit');
  await (await FileLock.acquire(path, 'held')).release();
});

it('says why it cannot be taken', async () => {
  await expect(FileLock.acquire(join(folder, 'none', 'lock'), '')).rejects.toMatchObject({
    code: 'STATE_UNWRITABLE',
    message: expect.stringContaining('cannot create the lock file'),
  });
  vi.stubEnv('PATH', folder);
  await expect(FileLock.acquire(path, '')).rejects.toMatchObject({
    code: 'STATE_UNWRITABLE',
    message: 'flock of util-linux cannot be run',
  });
});
