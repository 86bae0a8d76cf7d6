// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server as NetServer } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CidPool, type CidPoolOptions } from '../../clients/typescript/index.js';
import type { CidecarError } from '../../core/index.js';
import { SidecarServiceService } from '../../proto/gen/cidecar/v1/sidecar.js';
import { Authority, pairOf } from '../../sidecar/testing/certificates.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';

const { folder, start, connect: rawClient } = sidecarsPerTest();
const pools: CidPool[] = [];
const servers: Server[] = [];
const sockets: NetServer[] = [];

beforeEach(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
});
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
  for (const server of servers.splice(0)) server.forceShutdown();
  for (const socket of sockets.splice(0)) socket.close();
});

/** A pool, and the reasons that it gave for not being connected. */
function connect(options: CidPoolOptions = { socket: folder.socket }) {
  const pool = CidPool.connect(options);
  pools.push(pool);
  const troubles: CidecarError[] = [];
  pool.on('trouble', (error) => troubles.push(error));
  return { pool, troubles, first: once(pool, 'trouble').then(([error]) => error as CidecarError) };
}

/** A gRPC server in place of a sidecar. */
async function serve(handlers: Record<string, () => void> | null): Promise<void> {
  const server = new Server();
  servers.push(server);
  if (handlers !== null) {
    const unused = () => expect.unreachable();
    const all = Object.keys(SidecarServiceService).map((name) => [name, unused] as const);
    server.addService(SidecarServiceService, { ...Object.fromEntries(all), ...handlers });
  }
  await new Promise<void>((resolve) => {
    server.bindAsync(`unix:${folder.socket}`, ServerCredentials.createInsecure(), () => resolve());
  });
}

describe('a pool without a connection says why', { timeout: 300_000 }, () => {
  it('where there is no such socket: once, and to those who wait', async () => {
    const socket = join(folder.path, 'mistyped.sock');
    const { pool, first, troubles } = connect({ socket });
    expect(await first).toMatchObject({
      code: 'SIDECAR_UNAVAILABLE',
      message: expect.stringContaining(`connect ENOENT ${socket}`),
      errno: constants.errno.ENOENT,
      place: { file: socket },
    });
    await expect(pool.ready({ timeout: 300 })).rejects.toMatchObject({
      message: expect.stringMatching(/^no CIDs came within 300 ms: .*ENOENT.*is the path right/),
      errno: constants.errno.ENOENT,
      place: { file: socket },
      cause: { cause: { code: 14 } },
    });
    expect(() => pool.take()).toThrow(/await ready.*ENOENT/);
    expect(troubles).toHaveLength(1);
    expect(pool.stats.lastError).toMatchObject({ errno: constants.errno.ENOENT });
  });

  it.runIf(process.getuid?.() === 0)('where this user may not use the socket', async () => {
    await start('--init');
    process.seteuid?.(65_534);
    try {
      const { errno, message } = await connect().first;
      expect(errno).toBe(constants.errno.EACCES);
      expect(message).toMatch(/this user may not write to the socket/);
    } finally {
      process.seteuid?.(0);
    }
  });

  it('where nobody listens, or what listens is something else', async () => {
    await writeFile(folder.socket, '');
    const { errno, message } = await connect().first;
    expect(errno).toBe(constants.errno.ECONNREFUSED);
    expect(message).toMatch(/nobody listens there/);

    const socket = join(folder.path, 'web.sock');
    const web = createServer((connection) => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    sockets.push(web.listen(socket));
    expect((await connect({ socket }).first).message).not.toBe('');
  });

  it('where the other end is of another release, and where it sends nothing', async () => {
    await serve(null);
    const { message } = await connect().first;
    expect(message).toMatch(/does not know (Watch|IssueStream): it is of another release/);
    servers.pop()?.forceShutdown();

    await serve({ session: () => {} });
    const { pool } = connect();
    await expect(pool.ready({ timeout: 500 })).rejects.toThrow(/the sidecar does not answer/);
  });

  it('where TLS is refused by either side, and where nobody has the address', async () => {
    const [ours, theirs] = [
      await Authority.create(folder.path, 'ours'),
      await Authority.create(folder.path, 'theirs'),
    ];
    const { certificate, privateKey } = await ours.issue('server');
    const files = ['--tls-certificate', certificate, '--tls-key', privateKey];
    const listen = ['--listen', '127.0.0.1:0', '--tls-client-ca', ours.certificate];
    const sidecar = await start('--init', ...listen, ...files);
    const [, port = ''] = /"tls":"127.0.0.1:(\d+)"/.exec(sidecar.output) ?? [];
    // Node 26 refuses what gRPC does with an address that is no name.
    const address = `localhost:${port}`;
    const [trusted, other] = [await readFile(ours.certificate), await readFile(theirs.certificate)];
    const pair = await pairOf(await ours.issue('client'));

    const withoutTrust = credentials.createSsl(other, ...pair);
    expect(
      (await connect({ channel: { address, credentials: withoutTrust } }).first).message,
    ).toMatch(/certificate/);
    const withoutCertificate = credentials.createSsl(trusted);
    const refused = await connect({ channel: { address, credentials: withoutCertificate } }).first;
    expect(refused.message).toMatch(/no connection: /);
    const nobody = { address: '127.0.0.1:1', credentials: credentials.createSsl(trusted, ...pair) };
    expect(await connect({ channel: nobody }).first).toMatchObject({
      errno: constants.errno.ECONNREFUSED,
      place: {},
    });
  });
});

describe('a pool whose Session is refused', { timeout: 300_000 }, () => {
  it('is not connected, says what is refused, and hears of a reissue when it is let in', async () => {
    await start('--init', '--max-streams', '1');
    const other = rawClient().watch({});
    other.on('error', () => {});
    await once(other, 'data');

    const { pool, first, troubles } = connect();
    pool.on('connected', () => connections.push('connected'));
    const connections: string[] = [];
    expect(await first).toMatchObject({ code: 'SIDECAR_UNAVAILABLE' });
    await sleep(1000); // It is refused some more times.
    expect(troubles.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Session: .*streams/),
    ]);
    expect([pool.connected, pool.stats.connected, connections]).toEqual([false, false, []]);
    expect(pool.stats.lastError).toBeDefined();

    other.cancel();
    await expect.poll(() => connections, { timeout: 120_000 }).toEqual(['connected']);
    expect([pool.connected, pool.stats.lastError]).toEqual([true, undefined]);
    await pool.ready();
    const old = pool.take();
    const reissue = once(pool, 'reissue');
    const keys = ['a.key', await folder.key('b.key')];
    await folder.write(
      poolDocument([quicLb(0, 'retiring', keys[0]), quicLb(1, 'minting', keys[1])]),
    );
    expect(await reissue).toMatchObject([{ throughGeneration: old.generation }]);
  });
});
