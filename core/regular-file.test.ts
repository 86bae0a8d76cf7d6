// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRegularFile, readRegularFileSync, whyUnreadable } from './regular-file.js';

let folder: string;
const file = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each([
  ['readRegularFile', readRegularFile],
  ['readRegularFileSync', async (path: string, most: number) => readRegularFileSync(path, most)],
])('%s', (_, read) => {
  const why = (path: string, most = 100) =>
    read(path, most).then(() => 'it was read', whyUnreadable);

  it('reads a file up to its bound, also through a link, and says its mode', async () => {
    writeFileSync(file('a'), 'x'.repeat(100), { mode: 0o640 });
    symlinkSync('a', file('link'));
    for (const name of ['a', 'link']) {
      const { octets, mode } = await read(file(name), 100);
      expect([octets.toString(), mode]).toEqual(['x'.repeat(100), 0o640]);
    }
    appendFileSync(file('a'), 'x');
    expect(await why(file('a'))).toBe('has more than 100 octets');
  });

  it('reads an empty file, and one whose size says nothing', async () => {
    writeFileSync(file('empty'), '');
    expect((await read(file('empty'), 0)).octets).toHaveLength(0);
    expect((await read('/proc/self/status', 100_000)).octets.toString()).toMatch(/^Name:/);
    expect(await why('/proc/self/status')).toBe('has more than 100 octets');
  });

  it('refuses a FIFO that nobody writes to, and a link to it', async () => {
    execFileSync('mkfifo', [file('fifo')]);
    symlinkSync('fifo', file('link'));
    for (const name of ['fifo', 'link']) {
      expect(await why(file(name))).toBe('is a FIFO, not a regular file');
    }
  });

  it('refuses folders, devices and sockets', async () => {
    expect(await why(folder)).toBe('is a folder, not a regular file');
    expect(await why('/dev/zero')).toBe('is a device, not a regular file');
    const server = createServer();
    await new Promise<void>((done) => server.listen(file('socket'), done));
    expect(await why(file('socket'))).toBe('is a socket, not a regular file');
    await new Promise((done) => server.close(done));
  });

  it('says what is missing', async () => {
    expect(await why(file('none'))).toBe('does not exist');
    expect(await why(file('none/more'))).toBe('does not exist');
    writeFileSync(file('a'), '');
    expect(await why(file('a/more'))).toBe('cannot be read (ENOTDIR)');
  });
});

it('stays within the bound of a file that grows while it is read', async () => {
  writeFileSync(file('log'), 'x');
  const reading = readRegularFile(file('log'), 50);
  for (let i = 0; i < 100; i++) appendFileSync(file('log'), 'x');
  const octets = await reading.then((content) => content.octets.length, whyUnreadable);
  if (octets !== 'has more than 50 octets') expect(octets).toBeLessThanOrEqual(50);
});
