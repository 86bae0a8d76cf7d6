// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenOnUnixSocket } from './unix-socket.js';

let folder: string;
const servers: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(folder, { recursive: true, force: true });
});

function serverThatSays(word: string): Server {
  const server = createServer((socket) => socket.end(word));
  servers.push(server);
  return server;
}

function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path).setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
    });
    socket.on('end', () => resolve(text)).on('error', reject);
  });
}

it('leaves a socket that another process has taken over where it is', async () => {
  const path = join(folder, 'sidecar.sock');
  const first = await listenOnUnixSocket(serverThatSays('first'), { path, mode: 0o600 });
  await rm(path); // As one who starts a second by hand does.
  const second = await listenOnUnixSocket(serverThatSays('second'), { path, mode: 0o600 });
  await first.stop();
  expect(await ask(path)).toBe('second');
  await second.stop();
  await expect(ask(path)).rejects.toMatchObject({ code: 'ENOENT' });
});
