// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCodec, tokenMaker } from '../../cid/index.js';
import { Secret, toHex } from '../../core/index.js';
import { FILE_CALLS, type FileCalls } from '../../daemon/atomic-file.js';
import type { ConfigState, DesiredState, PoolConfig, ServerState } from '../../registry/index.js';
import { SidecarMetrics } from '../metrics.js';
import { CidQueries } from '../rpc/cid-queries.js';
import { SecretExport } from '../rpc/secret-export.js';
import { StateStore } from '../state/state-store.js';
import type { IssuedCids } from './issued-cids.js';
import { Issuer } from './issuer.js';
import { viewAfter, viewOf } from './server-view.js';

let folder: string;
let store: StateStore;
const issuers: Issuer[] = [];

/** What goes wrong, or happens, when a state file is about to take its place. */
let onWrite: (() => void) | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  onWrite = undefined;
  const files: FileCalls = {
    ...FILE_CALLS,
    rename: async (from, to) => {
      onWrite?.();
      await FILE_CALLS.rename(from, to);
    },
  };
  store = await StateStore.open({ folder, start: 'init', files });
});

/** As a disk that reports an error for every write. */
function failWrites(): void {
  onWrite = () => {
    throw Object.assign(new Error('EIO: i/o error, rename'), { code: 'EIO' });
  };
}
afterEach(async () => {
  for (const issuer of issuers.splice(0)) issuer.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
  await rm(`${folder}.gone`, { recursive: true, force: true });
});

const ID = Uint8Array.of(1, 2, 3);

function config(id: number, state: ConfigState, nonceLength = 8): PoolConfig {
  const key = new Secret(new Uint8Array(16).fill(id + 1));
  const lengths = { serverIdLength: 3, nonceLength, serverUseLength: 0, lengthSelfEncoded: true };
  const codec = createCodec({ scheme: 'quic-lb', configId: id, key, ...lengths });
  return { id, codec, state, resetKey: null };
}

function desired(configs: PoolConfig[], state: ServerState = 'active'): DesiredState {
  const serverIds = new Map(configs.map(({ id }) => [id, [ID]]));
  const server = { name: 'web-1', address: '10.0.1.11', serverIds, weight: 1, state };
  const servers = [{ ...server, encapsulation: 'ipip' as const }];
  return { revision: 'r', pools: [{ name: 'web', vips: [], configs, servers }] };
}

async function issuerOf(state: DesiredState, now: () => number = Date.now): Promise<Issuer> {
  const view = viewOf(state, 'web-1');
  const issuer = new Issuer({ store, view, reissueWithin: 60_000, now });
  issuers.push(issuer);
  await issuer.start();
  return issuer;
}

function exportOf(issuer: Issuer): SecretExport {
  return new SecretExport({ issuer, metrics: new SidecarMetrics(), allowed: true });
}

async function issue(issuer: Issuer, count: number): Promise<IssuedCids> {
  for (;;) {
    const batch = issuer.issue(count);
    if (batch !== undefined) return batch;
    await issuer.ready();
  }
}

/** Marks the nonces of a config as used, all but `left`. */
function useUp({ codec }: PoolConfig, left: bigint): void {
  const record = store.nonces.of(store.fingerprints.space(codec, ID), codec.nonceLength);
  record.used = (1n << (8n * BigInt(codec.nonceLength))) - left;
}

describe('Issuer', () => {
  it('goes to the next mintable config when nonces are used up, then to 0b111', async () => {
    const [first, second] = [config(0, 'minting'), config(1, 'staged')];
    useUp(first, 10n);
    useUp(second, 5n);
    const issuer = await issuerOf(desired([first, second]));
    const batches: IssuedCids[] = [];
    for (let i = 0; i < 4; i++) batches.push(await issue(issuer, 8));
    expect(batches.map(({ configId, count }) => [configId, count])).toEqual([
      [0, 8],
      [0, 2],
      [1, 5],
      [7, 8],
    ]);
    // None of the CIDs became void by that.
    expect(new Set(batches.map(({ generation }) => generation)).size).toBe(1);
    expect(issuer.routable).toBe(false);
    expect(issuer.reason).toMatch(/every nonce/);
  });

  it('mints nothing of the old config from the moment that it is told to switch', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting'), config(1, 'staged')]));
    const old = await issue(issuer, 1);
    const applied = issuer.apply(
      viewOf(desired([config(0, 'retiring'), config(1, 'minting')]), 'web-1'),
    );
    expect(issuer.issue(1)).toBeUndefined();
    await applied;
    const fresh = await issue(issuer, 1);
    expect(fresh).toMatchObject({ configId: 1, generation: old.generation + 1 });
    expect(issuer.reissue).toMatchObject({ throughGeneration: old.generation });
  });

  it('makes nothing void by what follows a time without a config', async () => {
    const [a, b] = [config(0, 'minting'), config(1, 'minting')];
    const gap = [config(0, 'retiring'), config(1, 'staged')];
    const issuer = await issuerOf(desired([a, config(1, 'staged')]));
    const old = await issue(issuer, 1);
    await issuer.apply(viewOf(desired(gap), 'web-1'));
    const { generation } = await issue(issuer, 1);
    expect(generation).toBe(old.generation + 1);
    const [order] = issuer.reissues;
    expect(order).toMatchObject({ throughGeneration: old.generation });

    let switches = 0;
    issuer.on('switch', () => {
      switches += 1;
    });
    issuer.on('reissue', () => expect.unreachable('no CID became void'));
    await issuer.apply(viewOf(desired([config(0, 'retiring'), b]), 'web-1'));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 1, generation });
    expect(switches).toBe(1); // Unused 0b111 CIDs became void.
    expect(issuer.reissues).toEqual([order]);
  });

  it('still has its orders after a restart', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting'), config(1, 'staged')]));
    await issue(issuer, 1);
    const rotated = desired([config(0, 'retiring'), config(1, 'minting')]);
    await issuer.apply(viewOf(rotated, 'web-1'));
    const [order] = issuer.reissues;
    expect(order).toBeDefined();
    await store.close();
    store = await StateStore.open({ folder, start: 'existing' });
    expect((await issuerOf(rotated)).reissues).toEqual([order]);
  });

  it('tells what is issued at each change, exhaustion and trouble included', async () => {
    const [first, second] = [config(0, 'minting'), config(1, 'staged')];
    useUp(first, 4n);
    useUp(second, 4n);
    const issuer = await issuerOf(desired([first, second]));
    const told: number[] = [];
    issuer.on('minting', () => told.push(issuer.configId));
    for (const expected of [[], [1], [1, 7], [1, 7]]) {
      await issue(issuer, 4);
      expect(told).toEqual(expected);
    }
    const third = config(2, 'minting');
    await issuer.apply(viewOf(desired([config(0, 'retiring'), third]), 'web-1'));
    await issuer.ready();
    expect(told).toEqual([1, 7, 2]);

    await rename(folder, `${folder}.gone`);
    while ((await issue(issuer, 1000)).routable) expect(told).toEqual([1, 7, 2]);
    expect(told).toEqual([1, 7, 2, 7]);
    await rename(`${folder}.gone`, folder);
  });

  it('has no IDs any more from the document on that does not name it', async () => {
    const state = desired([config(0, 'minting')]);
    const issuer = await issuerOf(state);
    const old = await issue(issuer, 1);
    const [pool] = state.pools;
    const taken = { ...pool!.servers[0]!, name: 'web-2' };
    const orders: number[] = [];
    issuer.on('reissue', ({ throughGeneration }) => orders.push(throughGeneration));

    const given = { revision: 's', pools: [{ ...pool!, servers: [taken] }] };
    await issuer.apply(viewAfter(issuer.view, given));
    const without = await issue(issuer, 1);
    expect(without).toMatchObject({ routable: false, cidLength: old.cidLength });
    expect(without.generation).toBe(old.generation + 1);
    expect(orders).toEqual([old.generation]);
    expect(issuer.reason).toBe('the registry has no server web-1 any more');
    const queries = new CidQueries(issuer);
    expect(queries.isOwn(old.cids, old.cidLength)).toEqual(Uint8Array.of(0));
    expect(queries.inspect(old.cids)).toMatchObject({ serverName: 'web-2', owner: 2 });
    await expect(queries.resetToken(old.cids)).rejects.toMatchObject({ code: 'FOREIGN_CID' });
    expect(await queries.resetToken(without.cids)).toEqual(without.tokens);

    for (const pools of [[], [{ ...pool!, servers: [] }]]) {
      await issuer.apply(viewAfter(issuer.view, { revision: 't', pools }));
      expect(await issue(issuer, 1)).toMatchObject({ routable: false, cidLength: old.cidLength });
      await expect(queries.resetToken(old.cids)).rejects.toMatchObject({ code: 'FOREIGN_CID' });
    }
    await issuer.apply(viewAfter(issuer.view, state));
    const back = await issue(issuer, 1);
    expect(back).toMatchObject({ routable: true, generation: without.generation });
    expect(queries.isOwn(old.cids, old.cidLength)).toEqual(Uint8Array.of(1));
    expect(orders).toEqual([old.generation]); // What followed made nothing void.
  });

  it('keeps zeroes in 0b111 CIDs while it is not told what its pool has become', async () => {
    const codec = createCodec({ scheme: 'katran', version: 3, cidLength: 14 });
    const v3 = { id: 6, codec, state: 'retiring' as const, resetKey: null };
    const issuer = await issuerOf(desired([v3]));
    await issuer.apply(viewAfter(issuer.view, { revision: 's', pools: [] }));
    const { cids } = await issue(issuer, 1);
    expect([...cids.subarray(1, 5)]).toEqual([0, 0, 0, 0]);
  });

  it('follows a document whose CIDs are too short for it, with CIDs of its own length', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting')]));
    const old = await issue(issuer, 1);
    const lengths = { serverIdLength: 2, nonceLength: 4, serverUseLength: 0 };
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      key: null,
      lengthSelfEncoded: true,
      ...lengths,
    });
    const state = desired([{ ...config(0, 'minting'), codec }]);
    const [pool] = state.pools;
    const servers = [{ ...pool!.servers[0]!, serverIds: new Map([[0, [Uint8Array.of(1, 2)]]]) }];
    await issuer.apply(viewAfter(issuer.view, { ...state, pools: [{ ...pool!, servers }] }));
    expect(await issue(issuer, 1)).toMatchObject({
      routable: true,
      cidLength: 12,
      generation: old.generation + 1,
    });
  });

  it('issues 0b111 while the server is down, and of the first length when that changes', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting')], 'down'));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 7, cidLength: 12 });
    await issuer.apply(viewOf(desired([config(0, 'minting', 9)]), 'web-1'));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 7, cidLength: 12 });
    expect(issuer.reason).toMatch(/13 octets now; this process issues 12/);
    await issuer.apply(viewOf(desired([config(0, 'minting')], 'draining'), 'web-1'));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 0, routable: true });
  });

  it('refuses CIDs that are shorter than those it may have to fall back to', () => {
    expect(() => viewOf(desired([config(0, 'minting', 4)]), 'web-1')).not.toThrow();
    const short = config(0, 'minting', 4);
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      key: null,
      serverIdLength: 2,
      nonceLength: 4,
      serverUseLength: 0,
      lengthSelfEncoded: true,
    });
    for (const state of ['staged', 'minting', 'retiring'] as const) {
      expect(() => viewOf(desired([{ ...short, codec, state }]), 'web-1')).toThrow(
        /CIDs of 7 octets .*raise nonceLength by 1/,
      );
    }
  });

  it('falls to 0b111 CIDs that a Katran V3 config of the pool does not route', async () => {
    const codec = createCodec({ scheme: 'katran', version: 3, cidLength: 14 });
    const v3 = { id: 6, codec, state: 'retiring' as const, resetKey: null };
    const issuer = await issuerOf(desired([v3]));
    const queries = new CidQueries(issuer);
    const { cids, tokens, cidLength, count } = await issue(issuer, 50);
    for (let i = 0; i < count; i++) {
      const cid = cids.subarray(i * cidLength, (i + 1) * cidLength);
      expect(await queries.resetToken(cid)).toEqual(tokens.slice(i * 16, (i + 1) * 16));
      expect(codec.decode(cid)).toEqual({ routable: false, reason: 'reserved-server-id' });
      expect(cid[0]).toBe(0xed);
    }
  });

  it('takes the length of a live config, not that of a quarantined one', async () => {
    const issuer = await issuerOf(desired([config(0, 'quarantined', 4), config(1, 'minting')]));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 1, cidLength: 12 });
  });

  it('issues nothing of a generation that is not on disk, however long that takes', async () => {
    let now = 0;
    const [a, b] = [config(0, 'minting'), config(1, 'staged')];
    const issuer = await issuerOf(desired([a, b]), () => now);
    const old = await issue(issuer, 1);
    await rename(folder, `${folder}.gone`);
    const rotated = desired([config(0, 'retiring'), config(1, 'minting')]);
    await issuer.apply(viewOf(rotated, 'web-1'));
    expect(await issue(issuer, 1)).toMatchObject({ configId: 7 });
    // The first config has a block of counters, which need no disk any more.
    await issuer.apply(viewOf(desired([a, b]), 'web-1'));
    for (let second = 0; second < 3; second++) {
      now += 2000;
      expect(await issue(issuer, 1)).toMatchObject({ configId: 7 });
    }
    await rename(`${folder}.gone`, folder);
    now += 2000;
    const fresh = await issue(issuer, 1);
    expect(fresh).toMatchObject({ configId: 0, generation: old.generation + 2 });
    await store.close();
    store = await StateStore.open({ folder, start: 'existing' });
    expect(store.generation.current).toBe(fresh.generation);
  });

  it.each([
    ['the reset key', new Secret(new Uint8Array(16).fill(9)), 'cmac'],
    ['the kind of the tokens', null, 'hmac-sha256'],
  ] as const)(
    'switches when %s of the config changes, for tokens that can be made again',
    async (_, resetKey, resetTokens) => {
      const issuer = await issuerOf(desired([config(0, 'minting'), config(1, 'retiring')]));
      const old = await issue(issuer, 1);
      const warned: number[] = [];
      issuer.on('tokensChanged', ({ id }) => warned.push(id));
      const state = desired([{ ...config(0, 'minting'), resetKey }, config(1, 'retiring')]);
      const [pool] = state.pools;
      const servers = [{ ...pool!.servers[0]!, resetTokens }];
      await issuer.apply(viewOf({ ...state, pools: [{ ...pool!, servers }] }, 'web-1'));
      const fresh = await issue(issuer, 1);
      expect(fresh).toMatchObject({ configId: 0, generation: old.generation + 1 });
      expect(issuer.reissue).toMatchObject({ throughGeneration: old.generation });
      const token = await new CidQueries(issuer).resetToken(fresh.cids);
      expect(token).toEqual(fresh.tokens);
      const key = issuer.keys.of(issuer.view.configs[0]!);
      expect(token).toEqual(tokenMaker(resetTokens, key).of(fresh.cids));
      expect(warned).toEqual(resetKey === null ? [0, 1] : [0]);
    },
  );

  it('makes reset keys durable before their tokens or they themselves leave', async () => {
    const configs = [config(0, 'retiring'), config(1, 'staged')];
    const issuer = await issuerOf(desired(configs));
    const cid = configs[1]!.codec.encode(ID, new Uint8Array(8));
    const token = await new CidQueries(issuer).resetToken(cid);
    await rename(folder, `${folder}.gone`);
    const keys = exportOf(issuer);
    await expect(keys.resetKeys()).rejects.toMatchObject({ code: 'STATE_REPLACED' });
    await rename(`${folder}.gone`, folder);
    const exported = await keys.resetKeys();
    await store.close();
    store = await StateStore.open({ folder, start: 'existing' });
    const again = await issuerOf(desired(configs));
    expect(await new CidQueries(again).resetToken(cid)).toEqual(token);
    expect(await exportOf(again).resetKeys()).toEqual(exported);
  });

  it('falls to 0b111 while nonces cannot be recorded, and tells clients when they can again', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting')]));
    await rename(folder, `${folder}.gone`);
    let trouble = 0;
    issuer.on('trouble', () => {
      trouble += 1;
    });
    expect(await issue(issuer, 1)).toMatchObject({ configId: 7, routable: false });
    expect(trouble).toBe(1);
    const recovered = new Promise<void>((resolve) => issuer.once('switch', resolve));
    await rename(`${folder}.gone`, folder);
    await recovered;
    expect(await issue(issuer, 1)).toMatchObject({ configId: 0, routable: true });
  });

  it('issues what it has recorded while nothing can be recorded, then 0b111', async () => {
    const state = desired([config(0, 'minting')]);
    const issuer = await issuerOf(state);
    const first = await issue(issuer, 1);
    const troubles: string[] = [];
    issuer.on('trouble', ({ code }) => troubles.push(code));
    const told: boolean[] = [];
    issuer.on('minting', () => told.push(issuer.routable));
    failWrites();

    // A document that changes nothing of what is minted costs nothing of it either.
    await issuer.apply(viewAfter(issuer.view, { ...state, revision: 's' }));
    expect(issuer.issue(1)).toMatchObject({ routable: true, generation: first.generation });
    const seen = new Set([toHex(first.cids)]);
    let batch = await issue(issuer, 100);
    for (; batch.routable; batch = await issue(issuer, 100)) {
      for (let at = 0; at < batch.cids.length; at += 12) {
        seen.add(toHex(batch.cids.subarray(at, at + 12)));
      }
      // The trouble is told while there is something in hand, and alarms no client yet.
      if (seen.size > 3000 && seen.size < 4000) {
        await expect.poll(() => troubles).toContain('STATE_UNWRITABLE');
        expect(issuer.routable).toBe(true);
        expect(told).toEqual([]);
      }
    }
    expect(seen.size).toBe(4095); // A block, without the one before the last document.
    expect(told).toEqual([false]);
    expect(issuer.reason).toMatch(/EIO/);

    const recovered = new Promise<void>((resolve) => issuer.once('switch', resolve));
    onWrite = undefined;
    await recovered;
    expect(await issue(issuer, 1)).toMatchObject({ routable: true });
    expect(issuer.trouble).toBeUndefined();
  });

  it('uses what is recorded of every server ID before it falls to 0b111', async () => {
    const ids = [ID, Uint8Array.of(1, 2, 4)];
    const state = (owned: Uint8Array[]): DesiredState => {
      const { pools, revision } = desired([config(0, 'minting')]);
      const [pool] = pools;
      const servers = [{ ...pool!.servers[0]!, serverIds: new Map([[0, owned]]) }];
      return { revision, pools: [{ ...pool!, servers }] };
    };
    const issuer = await issuerOf(state([ids[0]!]));
    await issue(issuer, 1);
    await issuer.apply(viewAfter(issuer.view, state([ids[1]!])));
    await issue(issuer, 1);
    await issuer.apply(viewAfter(issuer.view, state(ids)));
    failWrites();
    let count = 0;
    for (let batch = await issue(issuer, 1000); batch.routable; batch = await issue(issuer, 1000)) {
      count += batch.count;
    }
    expect(count).toBe(2 * 4095);
  });

  it('has 0b111 CIDs for a disk that fails, and waits rather than repeat them', async () => {
    const issuer = await issuerOf(desired([config(0, 'retiring')]));
    failWrites();
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { cids, count } = issuer.issue(1000)!;
      for (let at = 0; at < count * 12; at += 12) seen.add(toHex(cids.subarray(at, at + 12)));
    }
    expect(seen.size).toBe(20_000);
    issuer.close();

    // Of 24 free bits, a start records 256.
    const codec = createCodec({ scheme: 'katran', version: 3, cidLength: 8 });
    onWrite = undefined;
    const v3 = { id: 6, codec, state: 'retiring' as const, resetKey: null };
    const short = await issuerOf(desired([v3]));
    failWrites();
    let given = 0;
    for (let batch = short.issue(100); batch !== undefined; batch = short.issue(100)) {
      given += batch.count;
    }
    expect(given).toBe(256);
    const began = Date.now();
    await short.ready(); // Tries once more, and fails.
    await short.ready(); // Nothing to give, so it waits for the next attempt.
    expect(Date.now() - began).toBeGreaterThan(500);
    onWrite = undefined;
    expect((await issue(short, 100)).count).toBe(100);
  });

  it('gives no token whose key is not on disk', async () => {
    const configs = [config(0, 'retiring')];
    const issuer = await issuerOf(desired(configs));
    const cid = configs[0]!.codec.encode(ID, new Uint8Array(8));
    const queries = new CidQueries(issuer);
    failWrites();
    await expect(queries.resetToken(cid)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    onWrite = undefined;
    const token = await queries.resetToken(cid);
    await store.close();
    store = await StateStore.open({ folder, start: 'existing' });
    const again = await issuerOf(desired(configs));
    expect(await new CidQueries(again).resetToken(cid)).toEqual(token);
  });

  it('answers for a server that is down only with a key that the servers share', async () => {
    const shared = new Secret(new Uint8Array(16).fill(9));
    for (const resetKey of [null, shared]) {
      const state = desired([{ ...config(0, 'minting'), resetKey }]);
      const [pool] = state.pools;
      const serverIds = new Map([[0, [Uint8Array.of(9, 9, 9)]]]);
      const peer = { ...pool!.servers[0]!, name: 'web-2', serverIds, state: 'down' as const };
      const servers = [...pool!.servers, peer];
      const issuer = await issuerOf({ ...state, pools: [{ ...pool!, servers }] });
      const cid = pool!.configs[0]!.codec.encode(Uint8Array.of(9, 9, 9), new Uint8Array(8));
      const token = new CidQueries(issuer).resetToken(cid);
      if (resetKey === null) await expect(token).rejects.toMatchObject({ code: 'FOREIGN_CID' });
      else expect(await token).toEqual(tokenMaker('cmac', shared).of(cid));
    }
  });

  it('leases nothing under a config that was left while the lease was recorded', async () => {
    const issuer = await issuerOf(desired([config(0, 'minting'), config(1, 'staged')]));
    await issue(issuer, 1);
    const rotated = desired([config(0, 'retiring'), config(1, 'minting')]);
    onWrite = () => {
      onWrite = undefined;
      void issuer.apply(viewAfter(issuer.view, rotated));
    };
    const { configId, generation } = await exportOf(issuer).leaseNonces(10);
    expect(configId).toBe(1);
    expect(generation).toBe(issuer.generation);
  });

  it('puts the octets of a server into its CIDs, under the token', async () => {
    const lengths = { serverIdLength: 3, nonceLength: 8, serverUseLength: 2 };
    const key = new Secret(new Uint8Array(16).fill(1));
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      key,
      lengthSelfEncoded: true,
      ...lengths,
    });
    const issuer = await issuerOf(desired([{ ...config(0, 'minting'), codec }]));
    await issue(issuer, 1);
    const queries = new CidQueries(issuer);
    for (const serverUse of [Uint8Array.of(7), Uint8Array.of(7, 9)]) {
      issuer.checkServerUse(serverUse);
      const { cids, tokens } = issuer.issue(50, serverUse)!;
      const second = new Set<number>();
      for (let i = 0; i < 50; i++) {
        const cid = cids.subarray(i * 14, (i + 1) * 14);
        expect(cid.subarray(12, 12 + serverUse.length)).toEqual(serverUse);
        expect(queries.inspect(cid)).toMatchObject({ routable: true, serverId: ID });
        expect(await queries.resetToken(cid)).toEqual(tokens.subarray(i * 16, (i + 1) * 16));
        second.add(cid[13]!);
      }
      if (serverUse.length === 1) expect(second.size).toBeGreaterThan(20); // Random.
    }
    expect(() => issuer.checkServerUse(new Uint8Array(3))).toThrow(
      '3 server-use octets; CIDs of config 0 (four-pass) have 2',
    );
  });

  it('refuses octets of a server for Katran, whose nonces hold its workers', async () => {
    const codec = createCodec({ scheme: 'katran', version: 2, cidLength: 12 });
    const issuer = await issuerOf(desired([{ ...config(4, 'minting'), codec }]));
    expect(() => issuer.checkServerUse(Uint8Array.of(1))).toThrow(
      '1 server-use octets; CIDs of config 4 (katran-v2) have 0',
    );
  });

  describe('while the CID length of its pool changes', () => {
    const of = (id: number, nonceLength: number, serverUseLength: number, state: ConfigState) => {
      const key = new Secret(new Uint8Array(16).fill(id + 1));
      const lengths = { serverIdLength: 3, nonceLength, serverUseLength };
      const codec = createCodec({
        scheme: 'quic-lb',
        configId: id,
        key,
        lengthSelfEncoded: true,
        ...lengths,
      });
      return { id, codec, state, resetKey: null };
    };

    it('goes on in its own length, with nothing void, and a new process takes the new one', async () => {
      const issuer = await issuerOf(desired([of(0, 8, 0, 'minting')]));
      const old = await issue(issuer, 100);
      issuer.on('switch', () => expect.unreachable('nothing became void'));
      issuer.on('reissue', () => expect.unreachable('nothing became void'));
      const padded = desired([of(0, 8, 4, 'minting')]);
      await issuer.apply(viewAfter(issuer.view, padded));
      const fresh = await issue(issuer, 100);
      expect(fresh).toMatchObject({ routable: true, cidLength: 12, generation: old.generation });
      const token = await new CidQueries(issuer).resetToken(old.cids.subarray(0, 12));
      expect(token).toEqual(old.tokens.subarray(0, 16));
      issuer.close();

      const next = await issuerOf(padded);
      const longer = await issue(next, 100);
      expect(longer).toMatchObject({ routable: true, cidLength: 16 });
      const queries = new CidQueries(next);
      expect(queries.isOwn(old.cids, 12)).toEqual(new Uint8Array(100).fill(1));
      // One nonce space under both lengths.
      const nonces = [old, fresh, longer].flatMap(({ cids, cidLength, count }) =>
        Array.from({ length: count }, (_, i) =>
          toHex(queries.inspect(cids.subarray(i * cidLength, (i + 1) * cidLength)).nonce),
        ),
      );
      expect(new Set(nonces).size).toBe(300);

      // Then to a config that fills the new length, and of it to one that is short again.
      await next.apply(
        viewAfter(next.view, desired([of(0, 8, 4, 'retiring'), of(1, 12, 0, 'minting')])),
      );
      expect(await issue(next, 1)).toMatchObject({ routable: true, configId: 1, cidLength: 16 });
      await next.apply(
        viewAfter(next.view, desired([of(2, 5, 7, 'minting'), of(1, 12, 0, 'retiring')])),
      );
      await next.apply(viewAfter(next.view, desired([of(2, 5, 0, 'minting')])));
      expect(await issue(next, 1)).toMatchObject({ routable: true, configId: 2, cidLength: 16 });
      next.close();
      expect((await issuerOf(desired([of(2, 5, 0, 'minting')]))).cidLength).toBe(9);
    });

    it('says what to do where its own length is too short for the config', async () => {
      const issuer = await issuerOf(desired([of(0, 8, 0, 'minting')]));
      await issuer.apply(
        viewAfter(issuer.view, desired([of(0, 8, 4, 'retiring'), of(1, 12, 0, 'minting')])),
      );
      expect(await issue(issuer, 1)).toMatchObject({ routable: false, cidLength: 12 });
      expect(issuer.reason).toMatch(/16 octets now; this process issues 12.* restart the server/);
    });

    it('does the same with Katran, by octets of the nonce', async () => {
      const katran = (cidLength: number) => ({
        ...of(4, 8, 0, 'minting'),
        codec: createCodec({ scheme: 'katran', version: 2, cidLength }),
      });
      const issuer = await issuerOf(desired([katran(12)]));
      const old = await issue(issuer, 1);
      for (const length of [8, 20]) {
        await issuer.apply(viewAfter(issuer.view, desired([katran(length)])));
        const batch = await issue(issuer, 1);
        expect(batch).toMatchObject({ routable: true, cidLength: 12, generation: old.generation });
      }
    });
  });
});
