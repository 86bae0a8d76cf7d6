// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from './clients.js';
import { Rig } from './rig.js';

const LIMITS = [2, 3, 8];
/** How many CIDs the clients hold together; the example would give each of them more. */
const HELD = LIMITS.reduce((sum, limit) => sum + limit, 0);

let rig: Rig;

beforeEach(async () => {
  rig = await Rig.start();
});
afterEach(() => rig.stop());

async function openAll(): Promise<Client[]> {
  const clients: Client[] = [];
  for (const limit of LIMITS) clients.push(await rig.open(limit));
  await taken(1, HELD);
  return clients;
}

/** Waits until `count` CIDs of a generation were given. */
async function taken(generation: number, count: number): Promise<void> {
  const given = () => rig.pool.taken.filter((each) => each === generation).length;
  await expect.poll(given, { timeout: 120_000, interval: 5 }).toBe(count);
}

async function generations(clients: readonly Client[]): Promise<number[]> {
  for (const { connection } of clients) await connection.echo();
  return clients.map(({ firstOctet }) => firstOctet);
}

describe('an order to reissue', { timeout: 300_000 }, () => {
  it('gives as many new CIDs as clients held, and no more', async () => {
    const clients = await openAll();
    rig.pool.turn();
    await taken(2, HELD);
    expect(await generations(clients)).toEqual([2, 2, 2]);
    rig.pool.turn();
    await taken(3, HELD);
    expect(await generations(clients)).toEqual([3, 3, 3]);
    expect(rig.pool.taken).toHaveLength(3 * HELD);
  });

  it('that finds the pool dry is obeyed when it recovers', async () => {
    const clients = await openAll();
    rig.pool.level = 0;
    rig.pool.turn();
    expect(await generations(clients)).toEqual([1, 1, 1]);
    rig.pool.recover();
    // The clients do nothing in the meantime.
    await taken(2, HELD);
    expect(await generations(clients)).toEqual([2, 2, 2]);
  });

  it('that finds too few CIDs is obeyed as far as they go, and then to the end', async () => {
    const clients = await openAll();
    rig.pool.level = 4;
    rig.pool.turn();
    await taken(2, 4);
    await generations(clients);
    // There is no event: packets of the clients are enough.
    rig.pool.level = Number.POSITIVE_INFINITY;
    await generations(clients);
    await taken(2, HELD);
    expect(await generations(clients)).toEqual([2, 2, 2]);
  });

  it('reaches a connection in its handshake once that is through', async () => {
    rig.pool.onTake = () => {
      rig.pool.onTake = () => {};
      process.nextTick(() => rig.pool.turn()); // The answer to the Initial has just been sent.
    };
    const client = await rig.open(3);
    expect(rig.pool.generation).toBe(2);
    await taken(2, 3);
    expect(rig.pool.taken.filter((generation) => generation === 1)).toEqual([1]);
    expect(await generations([client])).toEqual([2]);
  });

  it('gives a connection that began with a 0b111 CID no other', async () => {
    rig.pool.level = 0;
    const client = await rig.open(3);
    rig.pool.recover();
    rig.pool.turn();
    expect(await generations([client])).toEqual([0xeb]);
    expect(rig.pool.taken).toEqual([]);
  });

  it('ends the connection in which it fails, and no other', async () => {
    const clients = await openAll();
    rig.pool.onTake = () => {
      rig.pool.onTake = () => {};
      throw new Error('no CID for you');
    };
    rig.pool.turn();
    expect(rig.server.open).toBe(2);
    await taken(2, HELD - (LIMITS[0] ?? 0));
    expect(await generations(clients.slice(1))).toEqual([2, 2]);
  });
});

describe('rotations a second apart', { timeout: 300_000 }, () => {
  const ROTATIONS = 3;
  /** Milliseconds from an order to its deadline, and from one order to the next. */
  const [WITHIN, APART] = [500, 1500];

  // The server's own limit is about the clients' CIDs, and has nothing to do with it.
  it.each([2, 8, 1024])('replace every CID of every client; the server takes %i', async (limit) => {
    await rig.stop();
    rig = await Rig.start({ limit });
    const limits = Array.from({ length: 23 }, (_, i) => i + 2);
    const clients: Client[] = [];
    for (const each of limits) clients.push(await rig.open(each));
    for (let i = 0; i < ROTATIONS; i++) {
      rig.pool.turn(new Date(Date.now() + WITHIN));
      await sleep(APART);
      // It would say so if any client had a CID of before by now.
      expect(rig.log).toEqual([]);
      expect(clients.map(({ firstOctet }) => firstOctet)).toEqual(limits.map(() => 2 + i));
    }
    expect(await generations(clients)).toEqual(limits.map(() => 1 + ROTATIONS));
  });

  it('do so although packets are lost', async () => {
    await rig.stop();
    rig = await Rig.start({ loss: 0.15 });
    const limits = [2, 8, 24, 2, 8, 24];
    const clients: Client[] = [];
    for (const limit of limits) clients.push(await rig.open(limit));
    for (let i = 0; i < ROTATIONS; i++) {
      rig.pool.turn(new Date(Date.now() + WITHIN));
      await sleep(APART);
    }
    expect(rig.log).toEqual([]);
    expect(await generations(clients)).toEqual(limits.map(() => 1 + ROTATIONS));
  });

  it('do so over a long path, on which there is no time for a round trip for each', async () => {
    await rig.stop();
    rig = await Rig.start({ delayMs: 80 });
    const client = await rig.open(24);
    await sleep(APART); // By now the client has all of its CIDs.
    rig.pool.turn(new Date(Date.now() + WITHIN));
    await sleep(APART);
    expect(rig.log).toEqual([]);
    await client.connection.echo();
    expect(client.firstOctet).toBe(2);
  });

  it('fill a client that can hold many before it has to give up its first', async () => {
    const client = await rig.open(100);
    rig.pool.turn();
    await expect.poll(() => client.firstOctet, { timeout: 120_000 }).toBe(2);
    await taken(2, 100);
    rig.pool.turn();
    await taken(3, 100);
    await expect.poll(() => client.firstOctet, { timeout: 120_000 }).toBe(3);
  });

  it('say in the log which CIDs could not be replaced', async () => {
    await rig.open(24);
    const client = await rig.open(1000);
    rig.pool.turn(new Date(Date.now() + WITHIN));
    await expect
      .poll(() => rig.log, { timeout: 120_000 })
      .toEqual([
        expect.stringMatching(/^1 of 2 connections still have CIDs of generation 1 or before/),
      ]);
    expect(await generations([client])).toEqual([1]);
  });
});

it.each([2, 24])(
  'follows a client whose NAT rebinds often; it can hold %i CIDs',
  { timeout: 60_000 },
  async (limit) => {
    const { connection } = await rig.open(limit);
    for (let i = 0; i < 40; i++) {
      await connection.rebind();
      await connection.echo();
    }
  },
);

it('closes the connection of a client that has had as many addresses as can be followed', {
  timeout: 300_000,
}, async () => {
  await rig.stop();
  rig = await Rig.start({ limit: 8 });
  const [client, other] = [await rig.open(8), await rig.open(8)];
  const { connection } = client;
  for (let i = 0; i < 6; i++) {
    await connection.rebind();
    await connection.echo();
  }
  expect(rig.log).toEqual([]);
  await connection.rebind();
  // It is answered, or told at once; either way it is closed then, and nobody has waited.
  await connection.echo().catch(() => {});
  await expect(connection.echo()).rejects.toMatchObject({ ending: 'closed' });
  expect(rig.log).toEqual(['a connection was closed, since its client has had 8 addresses']);
  await other.connection.echo();
  await (await rig.open(8)).connection.echo();
});

it('obeys no orders after it was closed', async () => {
  await openAll();
  rig.pool.emit('reissue', { throughGeneration: 1, deadline: new Date(Date.now() + 3_600_000) });
  rig.server.close();
  expect(rig.server.open).toBe(0);
  expect(rig.pool.eventNames()).toEqual([]);
});
