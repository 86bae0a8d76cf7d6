// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { Secret } from '../../core/secret.js';
import { createCodec } from '../schemes/index.js';
import { cidConfig, octets, secret } from '../testing/arbitraries.js';
import { hex } from '../testing/vectors.js';
import { failoverCid, failoverCids } from './failover.js';
import { isOwn } from './is-own.js';
import { Minter, nonceSequenceOf } from './minter.js';
import { ResetTokens } from './reset-tokens.js';

describe('a minter', () => {
  const sample = fc.record({
    config: cidConfig,
    permutationKey: secret,
    resetKey: secret,
    seed: octets(15),
    first: fc.bigInt({ min: 0n, max: 1n << 150n }),
    count: fc.constantFrom(1, 3, 1500),
  });

  it('gives each counter its CID and token', () => {
    fc.assert(
      fc.property(sample, ({ config, permutationKey, resetKey, seed, first, count }) => {
        const codec = createCodec(config);
        const serverId = seed.slice(0, codec.serverIdLength).fill(1, 0, 1);
        const resetTokens = new ResetTokens(resetKey);
        const minter = new Minter({ codec, serverId, permutationKey, resetTokens });
        const sequence = nonceSequenceOf(codec, permutationKey);
        const cids = new Uint8Array(count * codec.cidLength);
        const tokens = new Uint8Array(count * 16);
        minter.mint(first, count, cids, tokens);
        for (const i of new Set([0, count >> 1, count - 1])) {
          const cid = cids.slice(i * codec.cidLength, (i + 1) * codec.cidLength);
          const decoded = codec.decode(cid);
          if (!decoded.routable) throw new Error(decoded.reason);
          expect(decoded.serverId).toEqual(serverId);
          expect(sequence.counterOf(decoded.nonce)).toBe((first + BigInt(i)) % minter.size);
          expect(tokens.slice(i * 16, i * 16 + 16)).toEqual(resetTokens.of(cid));
        }
      }),
      { numRuns: 80 },
    );
  });

  it.each([
    ['permutes the counter where the CID shows it', null, false],
    ['leaves it where a key hides it', new Secret(randomBytes(16)), true],
  ])('%s', (_, key, bare) => {
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      serverIdLength: 1,
      nonceLength: 8,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key,
    });
    const permutationKey = new Secret(randomBytes(16));
    const minter = new Minter({ codec, serverId: hex('01'), permutationKey, resetTokens: null });
    const cid = new Uint8Array(codec.cidLength);
    minter.mint(258n, 1, cid, null);
    const decoded = codec.decode(cid);
    expect(decoded.routable && toHex(decoded.nonce) === '0000000000000102').toBe(bare);
  });

  it('refuses buffers that are too small, tokens without a key, and a foreign server ID', () => {
    const codec = createCodec({ scheme: 'katran', version: 2, cidLength: 8 });
    const options = { codec, permutationKey: new Secret(new Uint8Array(16)), resetTokens: null };
    const minter = new Minter({ ...options, serverId: hex('000001') });
    expect(() => minter.mint(0n, 2, new Uint8Array(15), null)).toThrow(RangeError);
    expect(() => minter.mint(0n, 2, new Uint8Array(16), new Uint8Array(31))).toThrow(RangeError);
    expect(() => minter.mint(0n, 2, new Uint8Array(16), new Uint8Array(32))).toThrow(/reset key/);
    expect(() => new Minter({ ...options, serverId: hex('000000') })).toThrow(/reserved/);
  });
});

describe('own CIDs', () => {
  it('are those that decode to an ID in the list', () => {
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 3,
      serverIdLength: 2,
      nonceLength: 4,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key: new Secret(randomBytes(16)),
    });
    const own = [hex('0001'), hex('0002')];
    const nonce = hex('00000000');
    expect(isOwn(codec, own, codec.encode(hex('0002'), nonce))).toBe(true);
    expect(isOwn(codec, own, codec.encode(hex('0003'), nonce))).toBe(false);
    expect(isOwn(codec, own, failoverCid(7 + 1, randomInto))).toBe(false);
    expect(isOwn(codec, own, hex(''))).toBe(false);
    expect(isOwn(codec, [], codec.encode(hex('0002'), nonce))).toBe(false);
  });
});

const randomInto = (into: Uint8Array) => {
  into.set(randomBytes(into.length));
};

describe('failover CIDs', () => {
  it('are 0b111, with their length, and random after that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 20 }), (length) => {
        const out = new Uint8Array(3 * length);
        failoverCids(length, 3, out, randomInto);
        const cids = [0, 1, 2].map((i) => out.slice(i * length, (i + 1) * length));
        for (const cid of cids) expect(cid[0]).toBe(0xe0 | (length - 1));
        expect(new Set(cids.map(String)).size).toBe(3);
      }),
    );
  });

  it.each([7, 21, 8.5])('refuses a length of %d', (length) => {
    expect(() => failoverCid(length, randomInto)).toThrow(/from 8 to 20/);
  });
});
