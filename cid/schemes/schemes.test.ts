// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimsFailover, FAILOVER_MIN_CID_LENGTH, failoverCids } from '../minting/failover.js';
import { cidConfig } from '../testing/arbitraries.js';
import { BUILT_IN_SCHEMES, createCodec } from './index.js';

describe('what every scheme must keep to', () => {
  it('names of their own', () => {
    const names = BUILT_IN_SCHEMES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('no CID that means failover routes, also where the config claims 0b111', () => {
    let claimed = 0;
    fc.assert(
      fc.property(cidConfig, (config) => {
        const codec = createCodec(config);
        if (codec.cidLength < FAILOVER_MIN_CID_LENGTH) return;
        const zeroHostId = claimsFailover(codec);
        if (zeroHostId) claimed++;
        const cid = new Uint8Array(codec.cidLength);
        failoverCids(cid.length, 1, cid, randomFillSync, { zeroHostId });
        expect(codec.decode(cid).routable).toBe(false);
      }),
      { numRuns: 500 },
    );
    expect(claimed).toBeGreaterThan(0);
  });

  it('the key of the decode plan and of a lease is one of its secrets', () => {
    fc.assert(
      fc.property(cidConfig, (config) => {
        const { decodePlan, secrets, lease } = createCodec(config);
        if (decodePlan.key !== null) expect(secrets).toContain(decodePlan.key);
        if (lease.key !== null) expect(secrets).toContain(lease.key);
      }),
    );
  });

  it('an encoded CID has its server-use octets at the end', () => {
    fc.assert(
      fc.property(cidConfig, (config) => {
        const codec = createCodec(config);
        const serverId = new Uint8Array(codec.serverIdLength).fill(1);
        const serverUse = new Uint8Array(codec.lease.serverUseLength).fill(0xab);
        const cid = codec.encode(serverId, new Uint8Array(codec.nonceLength), { serverUse });
        expect(codec.decode(cid)).toMatchObject({ routable: true, serverUse });
      }),
    );
  });
});
