// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCodec, tokenMaker } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import type { ConfigState, DesiredState, PoolConfig, ServerState } from '../../registry/index.js';
import { SidecarMetrics } from '../metrics.js';
import { CidQueries } from '../rpc/cid-queries.js';
import { SecretExport } from '../rpc/secret-export.js';
import { StateStore } from '../state/state-store.js';
import type { IssuedCids } from './issued-cids.js';
import { Issuer } from './issuer.js';
import { viewOf } from './server-view.js';

let folder: string;
let store: StateStore;
const issuers: Issuer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  store = await StateStore.open({ folder, start: 'init' });
});
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
      const key = issuer.resetKey(issuer.view.configs[0]!);
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
});
