// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CidPool } from '../../clients/typescript/index.js';
import { toHex } from '../../core/index.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';
import { Scope } from '../netns/scope.js';
import { Client } from './clients.js';
import { startExample } from './example-process.js';

// Processes of one server on one sidecar, as in a hot restart or where a server forks its workers.
// Which of them gets a packet is the server's own matter; here each has a port of its own.

const { folder, start } = sidecarsPerTest();
const scopes: Scope[] = [];
const pools: CidPool[] = [];
/** Clients by process, and the CIDs that each of them sent to. */
const traffic = new Map<Client, { readonly seen: Set<string>; open: boolean }>();

beforeEach(async () => {
  for (const name of ['0.key', '1.key']) await folder.key(name);
  await mint('minting', 'staged');
});
afterEach(async () => {
  for (const { connection } of traffic.keys()) connection.close();
  traffic.clear();
  for (const pool of pools.splice(0)) pool.close();
  for (const scope of scopes.splice(0)) await scope.dispose();
});

function mint(first: string, second: string): Promise<void> {
  return folder.write(poolDocument([quicLb(0, first, '0.key'), quicLb(1, second, '1.key')]));
}

async function serverProcess(name: string) {
  const scope = new Scope(`cd${name}`);
  scopes.push(scope);
  return startExample(scope, folder.socket);
}

async function open(server: Parameters<typeof Client.open>[0], count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    const client = await Client.open(server, 4);
    traffic.set(client, { seen: new Set(), open: true });
    clients.push(client);
  }
  return clients;
}

/** One echo over each connection that is open; rejects where one was lost. */
async function echoAll(): Promise<void> {
  for (const [client, { seen, open }] of traffic) {
    if (!open) continue;
    await client.connection.echo();
    seen.add(client.connection.destinationCid);
  }
}

/** Takes all that a pool gives, as a busy process would. */
function takeFrom(pool: CidPool, into: string[]): void {
  for (let i = 0; i < 500 && pool.level > 0; i++) into.push(toHex(pool.take().cid));
}

it('loses no connection and uses no CID twice over a rotation and a hot restart', {
  timeout: 300_000,
}, async () => {
  let sidecar = await start('--init', '--reissue-within', '1');
  const first = await serverProcess('first');
  const old = await open(first.server, 4);
  const second = await serverProcess('second');
  const fresh = await open(second.server, 4);
  const taken: string[] = [];
  for (let i = 0; i < 2; i++) {
    const pool = CidPool.connect({ socket: folder.socket });
    pools.push(pool);
    await pool.ready();
  }
  const turn = async () => {
    for (const pool of pools) takeFrom(pool, taken);
    await echoAll();
  };
  for (let i = 0; i < 5; i++) await turn();

  await mint('retiring', 'minting');
  const moved = () => [...old, ...fresh].every(({ firstOctet }) => firstOctet >> 5 === 1);
  while (!moved()) await turn();

  // The sidecar is killed under all of them, and comes back.
  await sidecar.stop('SIGKILL');
  await turn();
  sidecar = await start();
  for (let i = 0; i < 5; i++) await turn();

  // The hot restart: the old process goes when its connections have ended, a third one comes.
  const third = await serverProcess('third');
  for (const client of old) {
    client.connection.close();
    traffic.get(client)!.open = false;
  }
  await first.process.stop();
  await open(third.server, 4);
  for (let i = 0; i < 5; i++) await turn();

  const used = [...traffic.values()].flatMap(({ seen }) => [...seen]);
  expect(used.length).toBeGreaterThanOrEqual(8 * 2 + 4);
  expect(taken.length).toBeGreaterThan(5000);
  const all = [...used, ...taken];
  expect(new Set(all).size).toBe(all.length);
  expect(await sidecar.stop()).toBe(0);
});
