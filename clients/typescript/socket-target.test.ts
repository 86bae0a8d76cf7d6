// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SidecarServiceService } from '../../proto/gen/cidecar/v1/sidecar.js';
import { CidPool } from './index.js';
import { HELLO } from './testing/hello.js';

const began = process.cwd();
let folder: string;
let listener: Server | undefined;
let grpc: GrpcServer | undefined;
let pool: CidPool | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-'));
});
afterEach(async () => {
  process.chdir(began);
  pool?.close();
  grpc?.forceShutdown();
  listener?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Listens like a sidecar that says nothing but its generation and that it issues. */
async function listen(path: string): Promise<void> {
  const server = new GrpcServer();
  grpc = server;
  const unused = () => expect.unreachable();
  const others = Object.keys(SidecarServiceService).map((name) => [name, unused] as const);
  server.addService(SidecarServiceService, {
    ...Object.fromEntries(others),
    session: (call: { write(message: object): void }) =>
      call.write({ event: { $case: 'hello', value: HELLO } }),
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  listener = createServer((connection) => injector.injectConnection(connection));
  listener.listen(path);
  await once(listener, 'listening');
}

async function connects(path: string): Promise<void> {
  const made = CidPool.connect({ socket: path, cidLength: 12 });
  pool = made;
  await once(made, 'connected');
}

describe('a socket', { timeout: 300_000 }, () => {
  it('may have a path of 107 octets, and none of more', async () => {
    const path = join(folder, 'a'.repeat(107 - folder.length - 1));
    await listen(path);
    await connects(path);
    expect(() => CidPool.connect({ socket: `${path}b` })).toThrow(
      expect.objectContaining({
        code: 'ARGUMENT_INVALID',
        message: expect.stringContaining('has 108 octets; the system takes 107'),
      }),
    );
  });

  it('counts octets, not characters', () => {
    const path = `/${'ü'.repeat(54)}`; // 55 characters, 109 octets.
    expect(() => CidPool.connect({ socket: path })).toThrow(/109 octets/);
  });

  it('may be named from a folder whose own path is too long', async () => {
    const deep = join(folder, 'b'.repeat(100), 'c'.repeat(100));
    await mkdir(deep, { recursive: true });
    process.chdir(deep);
    await listen('s.sock');
    await connects('s.sock');
    pool?.close();
    await connects('./s.sock');
    pool?.close();
    await connects(join(deep, 's.sock'));
  });

  it.each(['a b', '100%', '%20', 'ü', 'a:b', 'a#b?c', 'a\\b'])('may be called %j', async (name) => {
    const path = join(folder, name);
    await listen(path);
    await connects(path);
    pool?.close();
    process.chdir(folder);
    await connects(name);
  });

  it.each(['', 'a\0b', 'a\nb'])('cannot be called %j', (name) => {
    expect(() => CidPool.connect({ socket: name })).toThrow(/no socket has such a path/);
  });
});
