// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import type { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';
import { Scope } from '../netns/scope.js';
import type { HostPort } from '../quic/quiche.js';
import { Client } from './clients.js';
import { startExample } from './example-process.js';

// The example runs as its users run it: in a process of its own, beside a real sidecar.
const { folder, start } = sidecarsPerTest();
let sidecar: SidecarProcess;
let scope: Scope;
const clients: Client[] = [];

beforeEach(async () => {
  scope = new Scope('cdexample');
  for (const name of ['0.key', '1.key', '2.key']) await folder.key(name);
  await mint(0, { staged: 1 });
  sidecar = await start('--init', '--reissue-within', '1');
}, 300_000);

afterEach(async () => {
  for (const { connection } of clients.splice(0)) connection.close();
  await scope.dispose();
});

async function mint(id: number, others: { staged?: number; retiring?: number }): Promise<void> {
  const states = { minting: id, ...others };
  const configs = Object.entries(states).map(([state, each]) => quicLb(each, state, `${each}.key`));
  await folder.write(poolDocument(configs));
}

async function open(server: HostPort, limit: number): Promise<Client> {
  const client = await Client.open(server, limit);
  clients.push(client);
  return client;
}

/** The config IDs of the CIDs that clients send to, which are in the first three bits. */
function configsInUse(): number[] {
  return [...new Set(clients.map(({ firstOctet }) => firstOctet >> 5))].sort();
}

it("echoes over connections whose server CIDs are the sidecar's", {
  timeout: 300_000,
}, async () => {
  const { server } = await startExample(scope, folder.socket);
  const { connection } = await open(server, 4);
  const questions = sidecar.client();
  const first = connection.destinationCid;
  await connection.migrate('127.0.0.1');
  expect(connection.destinationCid).not.toBe(first);
  for (const hex of [first, connection.destinationCid]) {
    const cid = Buffer.from(hex, 'hex');
    expect(await ask(questions, 'inspect', { cid })).toMatchObject({
      routable: true,
      serverName: 'web-1',
    });
  }
  questions.close();
});

it('moves live connections to the next config, and again, whatever clients can hold', {
  timeout: 300_000,
}, async () => {
  const { server, process } = await startExample(scope, folder.socket);
  for (const limit of [2, 3, 8, 9, 16, 24]) await open(server, limit);
  expect(configsInUse()).toEqual([0]);

  await mint(1, { retiring: 0, staged: 2 });
  await expect.poll(configsInUse, { timeout: 120_000 }).toEqual([1]);
  for (const { connection } of clients) await connection.echo();

  await mint(2, { retiring: 1 });
  await expect.poll(configsInUse, { timeout: 120_000 }).toEqual([2]);
  // Spare CIDs are of the new config too, and lead to the server.
  for (const { connection } of clients) {
    await connection.echo();
    await connection.migrate('127.0.0.1');
  }
  expect(configsInUse()).toEqual([2]);
  expect(process.running, process.tail()).toBe(true);

  process.signal('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
});

it('tells clients of a process that was killed that their connections are lost', {
  timeout: 300_000,
}, async () => {
  const { server, process } = await startExample(scope, folder.socket);
  const { connection } = await open(server, 2);
  process.signal('SIGKILL');
  await process.exited;
  await startExample(scope, folder.socket, server.port);
  // Without a reset it would wait until it gives up.
  await expect(connection.echo()).rejects.toThrow(/^closed while waiting for echo/);
});
