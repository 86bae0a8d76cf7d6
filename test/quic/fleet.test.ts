// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scope } from '../netns/scope.js';
import { makeCertificate } from '../system/tls.js';
import { RandomCids } from './cid-source.js';
import { Fleet } from './fleet.js';
import { hex, quicheConfig } from './quiche.js';
import { QuicServer } from './server.js';

// What the clients of the end-to-end tests say of a connection has to be true: that it was closed
// cleanly, that its server does not know it, or that it was lost.

const HOST = '127.0.0.1';
const COUNT = 3;

let scope: Scope;
let server: QuicServer;
let fleet: Fleet;
/** Tokens by CID, in hex. */
let tokens: Map<string, Uint8Array>;

beforeEach(async () => {
  scope = new Scope('cdfleet');
  const { certificate, privateKey } = await makeCertificate(scope);
  const random = new RandomCids(12);
  tokens = new Map();
  server = await QuicServer.listen({
    addresses: [HOST],
    port: 0,
    tls: { certificate: readFileSync(certificate), privateKey: readFileSync(privateKey) },
    cids: {
      cidLength: random.cidLength,
      take: () => {
        const next = random.take();
        tokens.set(hex(next.cid), next.token);
        return next;
      },
    },
    resetToken: async (cid) => tokens.get(hex(cid)) ?? null,
    body: new Uint8Array(),
  });
});
afterEach(async () => {
  fleet.close();
  server.close();
  await scope.dispose();
});

async function open(comeBack: boolean): Promise<void> {
  const targets = [{ server: { host: HOST, port: server.port }, addresses: [HOST] }];
  const options = { targets, timeoutMs: 20_000, parallel: COUNT, comeBack };
  fleet = new Fleet(options, [quicheConfig(null)]);
  expect(await fleet.open(COUNT)).toBe(COUNT);
}

/** As a process that comes after the one with the connections. */
function forgetAll(): void {
  for (const cid of tokens.keys()) server.unregister(Buffer.from(cid, 'hex'));
}

describe('clients', { timeout: 120_000 }, () => {
  it('come back after a clean close, each once', async () => {
    await open(true);
    for (const connection of server.connections) connection.close();
    expect(await fleet.echo()).toBe(COUNT);
    expect(fleet.returns).toEqual({ closed: COUNT, reset: 0 });
    expect(fleet.losses).toEqual([]);
  });

  it('come back after a stateless reset, which they tell from a close', async () => {
    await open(true);
    forgetAll();
    expect(await fleet.echo()).toBe(COUNT);
    expect(fleet.returns).toEqual({ closed: 0, reset: COUNT });
  });

  it('that do not come back are lost, and say why', async () => {
    await open(false);
    for (const connection of server.connections) connection.close();
    expect(await fleet.echo()).toBe(0);
    expect(fleet.losses).toEqual(
      new Array(COUNT).fill(expect.stringMatching(/application error 0/)),
    );
    expect(fleet.returns).toEqual({ closed: 0, reset: 0 });
  });
});
