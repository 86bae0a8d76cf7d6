// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { type CidConfig, createCodec, Minter, ResetTokens } from '../cid/index.js';
import { Secret } from '../core/index.js';

export interface MintRow {
  readonly case: string;
  /** CIDs in a second on one core; the median of the runs. */
  readonly perSecond: number;
  /** The same of the best run, which is nearer the truth if other programs share the core. */
  readonly bestPerSecond: number;
}

/** CIDs in one call, as many as the sidecar mints at once. */
const BATCH = 1024;
const RUNS = 9;
const RUN_MILLISECONDS = 100;

interface Case {
  readonly name: string;
  readonly config: CidConfig;
  readonly tokens: boolean;
}

/**
 * Measures how fast this thread mints CIDs into one buffer. That includes their nonces, which are
 * permuted if the CIDs are not encrypted. Runs of the cases are interleaved, so that a slow moment
 * of the machine affects all of them.
 */
export function benchMint(batch: number = BATCH): MintRow[] {
  const minters = CASES.map((one) => ({ one, mint: minting(one, batch), rates: [] as number[] }));
  for (const { mint } of minters) rateOf(mint); // The compiler warms up.
  for (let run = 0; run < RUNS; run++) {
    for (const { mint, rates } of minters) rates.push(rateOf(mint));
  }
  return minters.map(({ one, rates }) => ({
    case: one.name,
    perSecond: median(rates),
    bestPerSecond: Math.max(...rates),
  }));
}

const CASES: readonly Case[] = [
  { name: 'mint plaintext, 8 octets', config: quicLb(3, 4, false), tokens: false },
  { name: 'mint plaintext with token, 8 octets', config: quicLb(3, 4, false), tokens: true },
  { name: 'mint plaintext, 16 octets', config: quicLb(8, 7, false), tokens: false },
  { name: 'mint plaintext with token, 16 octets', config: quicLb(8, 7, false), tokens: true },
  { name: 'mint single-pass, 17 octets', config: quicLb(8, 8, true), tokens: false },
  { name: 'mint single-pass with token, 17 octets', config: quicLb(8, 8, true), tokens: true },
  { name: 'mint four-pass, 8 octets', config: quicLb(3, 4, true), tokens: false },
  { name: 'mint four-pass with token, 8 octets', config: quicLb(3, 4, true), tokens: true },
  { name: 'mint four-pass with token, 16 octets', config: quicLb(8, 7, true), tokens: true },
  { name: 'mint four-pass with token, 20 octets', config: quicLb(10, 9, true), tokens: true },
  {
    name: 'mint katran V2 with token, 8 octets',
    config: { scheme: 'katran', version: 2, cidLength: 8 },
    tokens: true,
  },
];

function quicLb(serverIdLength: number, nonceLength: number, encrypted: boolean): CidConfig {
  return {
    scheme: 'quic-lb',
    configId: 0,
    serverIdLength,
    nonceLength,
    serverUseLength: 0,
    lengthSelfEncoded: true,
    key: encrypted ? freshKey() : null,
  };
}

function freshKey(): Secret {
  return new Secret(randomBytes(16));
}

/** Returns a function that mints the next batch, and returns the number of its CIDs. */
function minting({ config, tokens }: Case, batch: number): () => number {
  const codec = createCodec(config);
  const minter = new Minter({
    codec,
    serverId: new Uint8Array(codec.serverIdLength).fill(0x5a),
    permutationKey: freshKey(),
    resetTokens: tokens ? new ResetTokens(freshKey()) : null,
  });
  const cids = new Uint8Array(batch * codec.cidLength);
  const into = tokens ? new Uint8Array(batch * 16) : null;
  let counter = 0n;
  return () => {
    minter.mint(counter, batch, cids, into);
    counter += BigInt(batch);
    return batch;
  };
}

function rateOf(mint: () => number): number {
  const began = process.hrtime.bigint();
  const end = began + BigInt(RUN_MILLISECONDS) * 1_000_000n;
  let count = 0;
  let now = began;
  while (now < end) {
    count += mint();
    now = process.hrtime.bigint();
  }
  return Math.round((count * 1e9) / Number(now - began));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
