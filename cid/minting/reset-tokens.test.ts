// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { Secret } from '../../core/secret.js';
import { Cmac } from '../crypto/cmac.js';
import { secret } from '../testing/arbitraries.js';
import { hex, ownVectors } from '../testing/vectors.js';
import { hmacResetToken, ResetTokens, tokenMaker } from './reset-tokens.js';

describe('AES-CMAC', () => {
  const key = new Secret(hex('2b7e151628aed2a6abf7158809cf4f3c'));
  const message = hex(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
      '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  );

  it.each([
    [0, 'bb1d6929e95937287fa37d129b756746'],
    [16, '070a16b46b4d4144f79bdd9dd04a287c'],
    [40, 'dfa66747de9ae63030ca32611497c827'],
    [64, '51f0bebf7e3b9d92fc49741779363cfe'],
  ])('RFC 4493 section 4: %i octets', (length, mac) => {
    expect(toHex(new Cmac(key).mac(message.subarray(0, length)))).toBe(mac);
  });

  it('NIST SP 800-38B, D.1: 20 octets, as long as the longest CID', () => {
    expect(toHex(new Cmac(key).mac(message.subarray(0, 20)))).toBe(
      '7d85449ea6ea19c823a7bf78837dfade',
    );
  });

  it('takes lengths in turn without one showing in the next', () => {
    const cmac = new Cmac(key);
    for (const length of [64, 3, 16, 20, 1, 0, 64, 40]) {
      const octets = message.subarray(0, length);
      expect(cmac.mac(octets)).toEqual(new Cmac(key).mac(octets));
    }
  });
});

describe('reset tokens', () => {
  it.each(ownVectors.resetToken)('of $cid, as another implementation has it', (row) => {
    const tokens = new ResetTokens(new Secret(hex(row.resetKey)));
    expect(toHex(tokens.of(hex(row.cid)))).toBe(row.token);
  });

  it('of the HMAC kind are those of quic-go and quinn', () => {
    const sample = fc.record({ key: secret, cid: fc.uint8Array({ minLength: 8, maxLength: 20 }) });
    fc.assert(
      fc.property(sample, ({ key, cid }) => {
        // quinn takes an HMAC key of any length, quic-go a [32]byte: ours with zeroes appended.
        const quicGo = Buffer.concat([key.reveal(), new Uint8Array(16)]);
        const out = new Uint8Array(32);
        tokenMaker('hmac-sha256', key).batch(new Uint8Array([...cid, ...cid]), cid.length, 2, out);
        for (const theirs of [key.reveal(), quicGo]) {
          const mac = createHmac('sha256', theirs).update(cid).digest().subarray(0, 16);
          expect(toHex(out)).toBe(toHex(mac) + toHex(mac));
        }
      }),
    );
  });

  it('of a batch are those of each CID, at every length and beyond a cipher call', () => {
    const sample = fc.record({
      key: secret,
      length: fc.integer({ min: 1, max: 20 }),
      count: fc.constantFrom(1, 2, 1023, 1025),
    });
    fc.assert(
      fc.property(sample, ({ key, length, count }) => {
        const tokens = new ResetTokens(key);
        const cids = new Uint8Array(count * length).map((_, i) => (i * 7919) >> 4);
        const out = new Uint8Array(count * 16);
        tokens.batch(cids, length, count, out);
        for (const i of new Set([0, count >> 1, count - 1])) {
          const cid = cids.subarray(i * length, (i + 1) * length);
          expect(out.slice(i * 16, i * 16 + 16)).toEqual(tokens.of(cid));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('of a CID below 16 octets is one AES block: padded, XORed with K2', () => {
    const key = hex('2b7e151628aed2a6abf7158809cf4f3c');
    const cid = hex('0720b1d07b359d3c');
    const aes = (block: Uint8Array) =>
      createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);
    // RFC 4493 section 4 prints K2 of this key.
    const block = hex('f7ddac306ae266ccf90bc11ee46d513b').map(
      (octet, j) => octet ^ (cid[j] ?? (j === cid.length ? 0x80 : 0)),
    );
    expect(toHex(new ResetTokens(new Secret(key)).of(cid))).toBe(toHex(aes(block)));
  });

  it('refuse buffers that are too small', () => {
    const tokens = new ResetTokens(new Secret(new Uint8Array(16)));
    expect(() => tokens.batch(new Uint8Array(15), 8, 2, new Uint8Array(32))).toThrow(RangeError);
    expect(() => tokens.batch(new Uint8Array(16), 8, 2, new Uint8Array(31))).toThrow(RangeError);
    expect(() => new ResetTokens(new Secret(new Uint8Array(32)))).toThrow(/16 octets/);
  });

  it('HMAC-SHA256: the first 16 octets, whatever the length of the key', () => {
    const key = new Uint8Array(32).fill(9);
    const expected = createHmac('sha256', key).update(hex('0102')).digest().subarray(0, 16);
    expect(toHex(hmacResetToken(new Secret(key), hex('0102')))).toBe(toHex(expected));
    expect(() => hmacResetToken(new Secret(new Uint8Array(0)), hex('01'))).toThrow(/empty/);
  });
});
