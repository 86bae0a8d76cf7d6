// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenOnUnixSocket, type UnixSocket } from './unix-socket.js';

let folder: string;
let socket: UnixSocket | undefined;
let server: Server;
const mask = process.umask();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-socket-'));
  server = createServer();
});
afterEach(async () => {
  process.umask(mask);
  await socket?.stop();
  rmSync(folder, { recursive: true });
});

it.each([
  [0, 0o660],
  [0o022, 0o660],
  [0o777, 0o660],
  [0, 0o600],
  [0o777, 0o666],
])('has under the umask %o the mode %o that was asked for', async (umask, mode) => {
  const path = join(folder, 'a.sock');
  process.umask(umask);
  socket = await listenOnUnixSocket(server, { path, mode });
  expect(process.umask()).toBe(umask);
  process.umask(mask);
  expect(statSync(path).mode & 0o777).toBe(mode);
  expect(readdirSync(folder)).toEqual(['a.sock']);
});
