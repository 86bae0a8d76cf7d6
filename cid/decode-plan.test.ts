// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCodec } from './schemes/index.js';
import { cidConfig, octets } from './testing/arbitraries.js';
import { serverIdByDecodePlan } from './testing/reference.js';

describe('a decode plan', () => {
  const sample = cidConfig.chain((config) =>
    fc.record({
      codec: fc.constant(createCodec(config)),
      cid: fc.uint8Array({ minLength: 1, maxLength: 20 }),
      seed: octets(40),
    }),
  );

  it('alone finds the server ID that the codec finds, in any octets', () => {
    let routed = 0;
    fc.assert(
      fc.property(sample, ({ codec, cid, seed }) => {
        // Half of them get a matching first octet, or few would route.
        if (seed[0]! < 128) cid[0] = (codec.decodePlan.configBits[0]! << 5) | (cid[0]! & 0x1f);
        const decoded = codec.decode(cid);
        if (decoded.routable) routed++;
        expect(serverIdByDecodePlan(codec.decodePlan, cid)).toEqual(
          decoded.routable ? decoded.serverId : null,
        );
      }),
      { numRuns: 2000 },
    );
    expect(routed).toBeGreaterThan(100);
  });

  it('finds the server ID of every CID that the codec issues', () => {
    fc.assert(
      fc.property(sample, ({ codec, seed }) => {
        const serverId = seed.slice(0, codec.serverIdLength);
        if (codec.decodePlan.zeroReserved) serverId[0]! |= 1;
        const nonce = seed.slice(20, 20 + codec.nonceLength);
        expect(serverIdByDecodePlan(codec.decodePlan, codec.encode(serverId, nonce))).toEqual(
          serverId,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('carries a key exactly where it decrypts', () => {
    fc.assert(
      fc.property(cidConfig, (config) => {
        const { decodePlan } = createCodec(config);
        expect(decodePlan.key === null).toBe(decodePlan.kind === 'extract');
        expect(decodePlan.serverIdBits % 8).toBe(0);
      }),
    );
  });
});
