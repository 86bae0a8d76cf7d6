// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { type EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CidecarError } from '../../core/index.js';
import {
  type IssueStreamRequest,
  type IssueStreamResponse,
  SidecarServiceService,
  type WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { FailoverCounters } from './failover-counters.js';
import { CidPool, type PooledCid, type Reissue } from './index.js';

// In place of a sidecar of the release before Session, the test sends each message itself, so that
// those of the two streams can come in any order.
let folder: string;
let server: Server;
let pool: CidPool;
let issue: ServerDuplexStream<IssueStreamRequest, IssueStreamResponse>;
let watch: ServerWritableStream<object, WatchResponse>;
let openStreams: number;
/** Whether further IssueStreams are left without an answer. */
let refuseIssue: boolean;

const unimplemented = (call: EventEmitter) => {
  call.emit('error', { code: status.UNIMPLEMENTED, details: 'unknown method' });
};

let onSession: (call: EventEmitter) => void;

beforeEach(async () => {
  refuseIssue = false;
  onSession = unimplemented;
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  const socket = join(folder, 'sidecar.sock');
  server = new Server();
  await new Promise<void>((opened) => {
    openStreams = 0;
    const another = () => {
      openStreams += 1;
      if (openStreams === 2) opened();
    };
    const unused = () => expect.unreachable();
    const others = Object.keys(SidecarServiceService).map((name) => [name, unused] as const);
    server.addService(SidecarServiceService, {
      ...Object.fromEntries(others),
      session: (call: EventEmitter) => onSession(call),
      issueStream: (call: typeof issue) => {
        if (refuseIssue) return;
        issue = call;
        issue.resume();
        another();
      },
      watch: (call: typeof watch) => {
        watch = call;
        another();
      },
    });
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), () => {
      pool = CidPool.connect({ socket, highWater: 64 });
    });
  });
});
afterEach(async () => {
  pool.close();
  server.forceShutdown();
  await rm(folder, { recursive: true, force: true });
});

function switchTo(generation: number, zeroHostId = false): void {
  issue.write({ event: { $case: 'generationSwitch', value: { generation, zeroHostId } } });
}

function batch(generation: number, routable = true, lifetimeMs = 0): void {
  const [cids, tokens] = [randomBytes(12 * 4), randomBytes(16 * 4)];
  const configId = routable ? generation : 7;
  const lengths = { count: 4, cidLength: 12, lifetimeMs };
  const value = { cids, tokens, ...lengths, configId, generation, routable };
  issue.write({ event: { $case: 'batch', value } });
}

function order(throughGeneration: number, deadline: Date): void {
  watch.write({ event: { $case: 'reissue', value: { throughGeneration, deadline } } });
}

function minting(generation: number): void {
  const rest = { configId: 0, cidLength: 12, routable: true, reason: '' };
  watch.write({ event: { $case: 'minting', value: { generation, ...rest } } });
}

function alive(): void {
  watch.write({ event: { $case: 'alive', value: {} } });
}

async function seen(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

it('never fails to give a CID, even when it has made every 0b111 CID', () => {
  const troubles: Error[] = [];
  pool.on('trouble', (error) => troubles.push(error));
  const exhausted = new CidecarError('NONCES_EXHAUSTED', 'all are made');
  const make = vi.spyOn(FailoverCounters.prototype, 'make').mockImplementationOnce(() => {
    throw exhausted;
  });
  const startOver = vi.spyOn(FailoverCounters.prototype, 'startOver').mockReturnValue();
  const dry = CidPool.connect({ socket: '/nowhere.sock', cidLength: 8 });
  dry.on('trouble', (error) => troubles.push(error));
  try {
    expect(dry.take()).toMatchObject({ routable: false });
    expect(startOver).toHaveBeenCalledOnce();
    expect(troubles).toContain(exhausted);
  } finally {
    dry.close();
    make.mockRestore();
    startOver.mockRestore();
  }
});

it.each([0, 15])('refuses %i server-use octets', (length) => {
  const options = { socket: '/nowhere.sock', serverUse: new Uint8Array(length) };
  expect(() => CidPool.connect(options)).toThrow(`serverUse has ${length} octets`);
});

it('makes 0b111 CIDs with host ID 0 in pools with Katran V3', async () => {
  switchTo(1, true);
  batch(1, false);
  await seen(() => pool.level === 4);
  for (let i = 0; i < 4; i++) pool.take();
  const { cid } = pool.take();
  expect(cid).toHaveLength(12);
  expect([...cid.subarray(0, 5)]).toEqual([0xeb, 0, 0, 0, 0]);
  switchTo(2);
  await seen(() => pool.generation === 2);
  expect([...pool.take().cid.subarray(1, 5)]).not.toEqual([0, 0, 0, 0]);
});

it('drops earlier CIDs when the sidecar begins anew at a lower generation, and replaces those in use later', async () => {
  const given: Reissue[] = [];
  pool.on('reissue', (reissue) => given.push(reissue));
  switchTo(2000);
  batch(2000);
  await seen(() => pool.level === 4);
  expect(pool.take().generation).toBe(2000);
  switchTo(1000);
  await seen(() => pool.generation === 3000); // None that the server knew comes again.
  expect(pool.level).toBe(0);
  batch(1000);
  await seen(() => pool.level === 4);
  expect(pool.take().generation).toBe(3000);
  expect(given).toEqual([]);
  const deadline = new Date(1_900_000_000_000);
  order(1000, deadline);
  switchTo(1001);
  batch(1001);
  await seen(() => given.length > 0);
  expect(given).toEqual([{ throughGeneration: 3000, deadline }]);
});

describe('an order to reissue', { timeout: 300_000 }, () => {
  it.each(['before the switch', 'after it'])('that comes %s waits for CIDs', async (when) => {
    const given: [Reissue, PooledCid][] = [];
    // A server that replaces at once does this.
    pool.on('reissue', (reissue) => given.push([reissue, pool.take()]));
    const deadline = new Date(1_900_000_000_000);
    switchTo(1);
    batch(1);
    await seen(() => pool.level === 4);
    if (when === 'before the switch') order(1, deadline);
    else switchTo(2);
    await sleep(50); // Nothing shows when an order has arrived.
    expect(given).toEqual([]);
    if (when === 'before the switch') switchTo(2);
    else order(1, deadline);
    await seen(() => pool.generation === 2);
    await sleep(50);
    expect(given).toEqual([]);
    batch(2, false); // These cannot replace a routable CID.
    await seen(() => pool.level === 4);
    expect(given).toEqual([]);
    // Another order comes before it was given: one event covers both, with the first deadline.
    order(2, new Date(deadline.getTime() + 1000));
    await sleep(50);
    switchTo(3);
    batch(3);
    await seen(() => given.length > 0);
    expect(given).toMatchObject([
      [
        { throughGeneration: 2, deadline },
        { generation: 3, routable: true },
      ],
    ]);
  });

  it('keeps its time when a later one was missed while it waits', async () => {
    const given: Reissue[] = [];
    pool.on('reissue', (reissue) => given.push(reissue));
    const deadline = new Date(1_900_000_000_000);
    switchTo(1);
    batch(1);
    await seen(() => pool.level === 4);
    pool.take();
    order(1, deadline);
    minting(3); // The order through 2 is no longer in force.
    await sleep(50); // Nothing shows when it has arrived.
    switchTo(3);
    batch(3);
    await seen(() => given.length > 0);
    expect(given).toEqual([{ throughGeneration: 2, deadline }]);
  });
});

describe('a pool that hears nothing', { timeout: 300_000 }, () => {
  const LIFETIME = 1000;
  let said: string[];

  beforeEach(async () => {
    said = [];
    for (const event of ['stale', 'dry', 'recovered', 'reissue'] as const) {
      pool.on(event, () => said.push(event));
    }
    switchTo(1);
    batch(1, true, LIFETIME);
    minting(1);
    await seen(() => pool.level === 4 && pool.connected);
  });

  it('gives 0b111 CIDs after the lifetime of its CIDs, and says so; then it goes on', async () => {
    const [error] = await once(pool, 'stale');
    expect(error).toMatchObject({ code: 'SIDECAR_UNAVAILABLE' });
    expect(error.message).toMatch(/^nothing was heard from the sidecar for \d+ ms/);
    expect(pool.take()).toMatchObject({ routable: false, generation: 1 });
    expect(pool.stats).toMatchObject({ stale: true, dry: true, level: 4, made: 1, taken: 0 });
    await expect(pool.ready({ timeout: 1 })).rejects.toThrow(/no CIDs came/);
    alive();
    await pool.ready();
    expect(pool.stats).toMatchObject({ stale: false, dry: false, level: 4 });
    expect(pool.take().routable).toBe(true);
    expect(said).toEqual(['stale', 'dry', 'recovered']);
  });

  it('uses its CIDs for as long as the sidecar says that it is alive', async () => {
    for (let i = 0; i < 12; i++) {
      alive();
      await sleep(LIFETIME / 5);
    }
    expect(pool.take().routable).toBe(true);
    expect(said).toEqual([]);
  });

  it('does not take a Watch for a sign of life of CIDs that it says are void', async () => {
    minting(2);
    for (let i = 0; i < 12; i++) {
      alive();
      await sleep(LIFETIME / 5);
    }
    expect(said).toEqual(['stale', 'dry']);
    switchTo(2);
    batch(2, true, LIFETIME);
    await seen(() => pool.generation === 2 && pool.level === 4);
    expect(pool.take()).toMatchObject({ routable: true, generation: 2 });
  });

  it('gives no order to reissue before it is heard again', async () => {
    pool.take();
    await once(pool, 'stale');
    order(1, new Date(1_900_000_000_000));
    alive(); // It does not say that the order was a mistake.
    await sleep(50);
    expect(said).toEqual(['stale', 'dry']);
    switchTo(2);
    batch(2, true, LIFETIME);
    await seen(() => said.includes('reissue'));
    expect(said).toEqual(['stale', 'dry', 'recovered', 'reissue']);
  });
});

it('drops CIDs of which only the Watch says that they are void', async () => {
  switchTo(1);
  batch(1);
  minting(1);
  await seen(() => pool.level === 4 && pool.connected);
  refuseIssue = true;
  issue.end();
  await once(pool, 'disconnected');
  minting(2);
  await seen(() => pool.level === 0);
  expect(pool.take().routable).toBe(false);
});

describe('one of two streams', { timeout: 300_000 }, () => {
  it('is no connection', async () => {
    const said: string[] = [];
    pool.on('connected', () => said.push('connected'));
    switchTo(1);
    batch(1);
    await seen(() => pool.level === 4);
    expect([pool.connected, said]).toEqual([false, []]);
    minting(1);
    await seen(() => pool.connected);
    expect(said).toEqual(['connected']);
  });

  it('leads back to a Session, as both do, when the sidecar has been replaced', async () => {
    switchTo(1);
    batch(1);
    minting(1);
    await seen(() => pool.connected);
    const sessions: unknown[] = [];
    onSession = (call) => sessions.push(call);
    watch.end();
    await seen(() => sessions.length > 0);
  });

  it('does so too where the other never comes about', async () => {
    switchTo(1);
    batch(1);
    const sessions: unknown[] = [];
    onSession = (call) => sessions.push(call);
    await seen(() => sessions.length > 0);
    expect(pool.connected).toBe(false);
  });
});
