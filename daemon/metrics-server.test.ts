// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MetricsServer, serveMetrics } from './metrics-server.js';

let folder: string;
let socket: string;
const servers: MetricsServer[] = [];
const errors: unknown[] = [];
let notReady: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-metrics-'));
  socket = join(folder, 'metrics.sock');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  errors.length = 0;
  rmSync(folder, { recursive: true });
});

async function serve(
  where: Parameters<typeof serveMetrics>[0]['where'],
  collect = async () => ({ text: 'up 1\n', contentType: 'text/plain; version=0.0.4' }),
): Promise<MetricsServer> {
  const onError = (error: unknown) => errors.push(error);
  const probes = { healthz: () => [], readyz: () => notReady };
  const server = await serveMetrics({ where, collect, onError, probes });
  servers.push(server);
  return server;
}

function get(options: RequestOptions): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const ask = request({ path: '/metrics', agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      const { statusCode: status = 0, headers } = response;
      response.on('end', () => resolve({ status, type: headers['content-type'] ?? '', text }));
    });
    ask.on('error', reject).end();
  });
}

/** The socket of a process that was killed. */
async function stale(path: string): Promise<void> {
  const script = `require('net').createServer().listen('${path}', () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('probes', () => {
  it('answer 200, or 503 with the reasons', async () => {
    await serve({ socket });
    const ask = (path: string) => get({ socketPath: socket, path });
    expect(await ask('/healthz')).toEqual({ status: 200, type: 'text/plain', text: 'ok\n' });
    expect(await ask('/readyz')).toMatchObject({ status: 200, text: 'ok\n' });
    notReady = ['it starts', 'it waits'];
    expect(await ask('/readyz')).toMatchObject({ status: 503, text: 'it starts\nit waits\n' });
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
    notReady = [];
    expect(await ask('/healthz/')).toMatchObject({ status: 404 });
  });
});

describe('metrics on a unix socket', () => {
  it('are for its owner and group, and gone at the end', async () => {
    const server = await serve({ socket });
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    expect(await get({ socketPath: socket })).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4',
      text: 'up 1\n',
    });
    await server.close();
    expect(existsSync(socket)).toBe(false);
  });

  it('take the place of what a killed process left, not of what listens or is a file', async () => {
    await stale(socket);
    expect(existsSync(socket)).toBe(true);
    await serve({ socket });
    expect((await get({ socketPath: socket })).status).toBe(200);
    await expect(serve({ socket })).rejects.toMatchObject({ code: 'SOCKET_BUSY' });
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    await expect(serve({ socket: file })).rejects.toMatchObject({ code: 'SOCKET_UNUSABLE' });
    expect((await get({ socketPath: socket })).status).toBe(200);
  });
});

it('serves on TCP, and says where it cannot', async () => {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const bound = busy.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await expect(serve({ host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'SOCKET_BUSY',
    message: `cannot listen on 127.0.0.1 port ${port} (EADDRINUSE)`,
  });
  await new Promise((resolve) => busy.close(resolve));
  await serve({ host: '127.0.0.1', port });
  expect((await get({ host: '127.0.0.1', port })).text).toBe('up 1\n');
});

it('answers to nothing else, and survives what cannot be collected', async () => {
  const oops = new Error('oops');
  await serve({ socket }, () => Promise.reject(oops));
  expect((await get({ socketPath: socket, path: '/' })).status).toBe(404);
  expect((await get({ socketPath: socket, method: 'POST' })).status).toBe(404);
  expect(errors).toEqual([]);
  expect((await get({ socketPath: socket })).status).toBe(500);
  expect(errors).toEqual([oops]);
  expect((await get({ socketPath: socket })).status).toBe(500);
});

describe('metrics beside clients that hold connections', () => {
  it.each([
    ['say nothing', ''],
    ['ask and never end', 'GET /metrics HTTP/1.1\r\nHost: x\r\n'],
  ])('that %s are served', async (_what, text) => {
    await serve({ socket });
    const idle = Array.from({ length: 40 }, () => connect(socket));
    for (const each of idle) {
      each.on('error', () => {});
      await once(each, 'connect');
      each.write(text);
    }
    for (let i = 0; i < 3; i++)
      expect(await get({ socketPath: socket })).toMatchObject({ status: 200 });
    for (const each of idle) each.destroy();
  });
});
