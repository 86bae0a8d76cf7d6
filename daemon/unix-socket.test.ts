// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenOnUnixSocket } from './unix-socket.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cdc'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A path of so many octets, of which the name has some. */
function pathOf(octets: number, name: number): string {
  const folder = join(root, 'f'.repeat(octets - root.length - 2 - name));
  mkdirSync(folder, { recursive: true });
  return join(folder, 's'.repeat(name));
}

it.each([
  [107, 20],
  [107, 5],
  [107, 2],
  [107, 1],
  [103, 3],
  [60, 1],
])('listens on a path of %d octets, %d of them its name', async (octets, name) => {
  const path = pathOf(octets, name);
  expect(path).toHaveLength(octets);
  const { stop } = await listenOnUnixSocket(createServer(), { path, mode: 0o600 });
  expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  await stop();
  expect(readdirSync(dirname(path))).toEqual([]);
});

it('says how long a path may be', async () => {
  const path = pathOf(108, 5);
  await expect(listenOnUnixSocket(createServer(), { path, mode: 0o600 })).rejects.toMatchObject({
    code: 'SOCKET_UNUSABLE',
    message: expect.stringContaining('108 octets; the path of a socket may have 107'),
  });
  expect(readdirSync(dirname(path))).toEqual([]);
});

it('leaves nothing behind where it cannot finish', async () => {
  const path = join(root, 'socket');
  const options = { path, mode: 0o600, group: '4294967290' };
  const uid = process.getuid?.();
  const listening = listenOnUnixSocket(createServer(), options);
  if (uid === 0) await (await listening).stop();
  else await expect(listening).rejects.toMatchObject({ code: 'SOCKET_UNUSABLE' });
  expect(readdirSync(root)).toEqual([]);
});
