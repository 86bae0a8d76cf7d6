// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCodec, tokenMaker } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { NonceSpaces } from '../state/nonce-spaces.js';
import { StateStore } from '../state/state-store.js';
import { MintSource } from './mint-source.js';
import { NonceSupplyMonitor } from './nonce-supply-monitor.js';

let folder: string;
let store: StateStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  store = await StateStore.open({ folder, start: 'init' });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function sourceOf(nonceLength: number): MintSource {
  const key = new Secret(new Uint8Array(16).fill(1));
  const lengths = { serverIdLength: 3, nonceLength, serverUseLength: 0, lengthSelfEncoded: true };
  const codec = createCodec({ scheme: 'quic-lb', configId: 0, key, ...lengths });
  const serverId = Uint8Array.of(1, 2, 3);
  const space = new NonceSpaces(store, {}).of(codec, serverId);
  const config = { id: 0, codec, state: 'minting', resetKey: null } as const;
  return new MintSource(config, serverId, space, tokenMaker('cmac', key));
}

interface Line {
  readonly msg: string;
  readonly perSecond: number;
  readonly daysLeft: number;
}

/** Uses `rates[i]` nonces a second in minute i, and returns what is logged, and said at the end. */
async function watch(source: MintSource, rates: readonly number[]) {
  let now = 0;
  const lines: Line[] = [];
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  const monitor = new NonceSupplyMonitor(log, () => now);
  for (const rate of rates) {
    for (let round = 0; round < 6; round++) {
      // Leases count as much as CIDs do, and take no time to mint.
      if (rate > 0) await source.space.lease(10 * rate);
      now += 10_000;
      monitor.measure([source]);
    }
  }
  return { lines, seconds: monitor.secondsLeft(source.space) };
}

const minutes = (count: number, rate: number) => Array.from({ length: count }, () => rate);

it('warns once of nonces of 4 octets that will be used up within a month', async () => {
  const { lines, seconds } = await watch(sourceOf(4), minutes(30, 5_000));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ perSecond: 5000, daysLeft: expect.closeTo(9.9, 1) });
  expect(seconds / 86_400).toBeCloseTo(9.9, 1);
});

it('warns again as the end comes near, and not of nonces of 8 octets', async () => {
  const rates = [...minutes(13, 3_000), ...minutes(13, 40_000)];
  const short = await watch(sourceOf(4), rates);
  expect(short.lines.map(({ daysLeft }) => daysLeft > 3)).toEqual([true, false]);
  const long = await watch(sourceOf(8), rates);
  expect(long.lines).toEqual([]);
  expect(long.seconds).toBeGreaterThan(1e14);
});

it('takes neither the filling of pools nor a moment of haste for the rate', async () => {
  const filling = await watch(sourceOf(4), [100_000, ...minutes(20, 0)]);
  expect(filling.lines).toEqual([]);
  expect(filling.seconds).toBe(Number.POSITIVE_INFINITY);
  const hasty = await watch(sourceOf(4), [0, 0, 100_000, ...minutes(3, 0)]);
  expect(hasty.lines).toEqual([]);
});
