// SPDX-License-Identifier: Apache-2.0

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
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
  const server = createServer((socket) => {
    socket.on('error', () => {}); // Who looks whether somebody listens hangs up at once.
    socket.end(word);
  });
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

/** The socket of a process that was killed. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen('${path}', () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it.each([
  ['a name that is free', false],
  ['what a killed process left', true],
])('gives %s to one of those that begin at once', async (_, stale) => {
  const path = join(folder, 'sidecar.sock');
  for (let round = 0; round < 5; round++) {
    if (stale) await leaveStale(path);
    const words = ['a', 'b', 'c', 'd'];
    const results = await Promise.allSettled(
      words.map((word) => listenOnUnixSocket(serverThatSays(word), { path, mode: 0o600 })),
    );
    const winners = results.flatMap((each, i) =>
      each.status === 'fulfilled' ? [{ word: words[i], socket: each.value }] : [],
    );
    const [winner, ...others] = winners;
    expect(others).toEqual([]);
    for (const each of results) {
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'SOCKET_BUSY' });
    }
    expect(await ask(path)).toBe(winner?.word);
    expect(readdirSync(folder)).toEqual(['sidecar.sock']);
    await winner?.socket.stop();
    expect(readdirSync(folder)).toEqual([]);
  }
});

it('gives the name up before it stops to answer, so that nobody can have taken it over', async () => {
  const path = join(folder, 'sidecar.sock');
  const server = serverThatSays('first');
  const first = await listenOnUnixSocket(server, { path, mode: 0o600 });
  let present: boolean | undefined;
  const close = server.close.bind(server);
  server.close = (...given) => {
    present = existsSync(path);
    return close(...given);
  };
  await first.stop();
  expect(present).toBe(false);
});
