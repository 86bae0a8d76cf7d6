// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { katranConfig, octets } from '../testing/arbitraries.js';
import { hex, vectors } from '../testing/vectors.js';
import { createCodec } from './index.js';

describe('vectors of Katran', () => {
  it.each(vectors.katranLayout)('$cid is host $server_id of V$version', (row) => {
    const codec = createCodec({
      scheme: 'katran',
      version: row.version as 1 | 2 | 3,
      cidLength: 8,
    });
    const decoded = codec.decode(hex(row.cid));
    if (row.server_id === 0) {
      expect(decoded).toEqual({ routable: false, reason: 'reserved-server-id' });
      return;
    }
    expect(decoded.routable && Number.parseInt(toHex(decoded.serverId), 16)).toBe(row.server_id);
  });
});

describe('the layout', () => {
  // Built by hand from mvfst's field order: version, host ID, 8 worker bits, process bit.
  it.each([
    [1, '0402', 'ff80000000', 0, '410' + '0bfe000000000'],
    [2, '030402', 'ff800000', 0, '80030402ff800000'],
    [3, '01030402', 'ff8000', 0, 'c001030402ff8000'],
    [1, '0402', 'ff80000000', 0x3f, '4100bfe00000003f'],
    [2, '030402', 'ff800000', 0x3f, 'bf030402ff800000'],
    [3, '01030402', 'ff8000', 0x3f, 'ff01030402ff8000'],
  ] as const)('V%i, host %s, worker 255, process 1', (version, host, nonce, spare, cid) => {
    const codec = createCodec({ scheme: 'katran', version, cidLength: 8 });
    const random = (into: Uint8Array) => into.fill(spare);
    expect(toHex(codec.encode(hex(host), hex(nonce), { random }))).toBe(cid);
  });

  it('round-trips for every version and length', () => {
    const sample = katranConfig.chain((config) => {
      const codec = createCodec(config);
      return fc.record({
        config: fc.constant(config),
        codec: fc.constant(codec),
        serverId: octets(codec.serverIdLength).filter((id) => id.some((octet) => octet !== 0)),
        nonces: fc.array(octets(codec.nonceLength), { minLength: 1, maxLength: 4 }),
      });
    });
    fc.assert(
      fc.property(sample, ({ config, codec, serverId, nonces }) => {
        const packed = Uint8Array.from(nonces.flatMap((nonce) => [...nonce]));
        const out = new Uint8Array(nonces.length * codec.cidLength);
        codec.encodeBatch(serverId, packed, nonces.length, out);
        nonces.forEach((nonce, i) => {
          const cid = out.slice(i * codec.cidLength, (i + 1) * codec.cidLength);
          expect(codec.decode(cid)).toEqual({
            routable: true,
            configId: 2 * config.version,
            serverId,
            nonce,
            serverUse: new Uint8Array(0),
            algorithm: codec.algorithm,
          });
        });
      }),
    );
  });
});

describe('what does not route', () => {
  const v3 = createCodec({ scheme: 'katran', version: 3, cidLength: 10 });
  const v1 = createCodec({ scheme: 'katran', version: 1, cidLength: 8 });

  it('host 0 is neither decoded nor encoded', () => {
    expect(v1.decode(hex('4000030405060700'))).toMatchObject({ reason: 'reserved-server-id' });
    expect(() => v1.checkServerId(hex('0000'))).toThrow(/reserved/);
    expect(() => v1.encode(hex('0000'), hex('0102030405'))).toThrow(/reserved/);
  });

  it('fewer than 8 octets, another version, nothing', () => {
    expect(v1.decode(hex('41008304050607'))).toEqual({ routable: false, reason: 'too-short' });
    expect(v1.decode(hex('8100830405060700'))).toMatchObject({ reason: 'config-mismatch' });
    expect(v1.decode(hex('e100830405060700'))).toMatchObject({ reason: 'failover-config' });
    expect(v1.decode(hex(''))).toMatchObject({ reason: 'empty' });
  });

  it('V3 takes both 0b110 and 0b111: to Katran the latter is no failover', () => {
    expect(v3.decodePlan.configBits).toEqual([6, 7]);
    expect(v3.decode(hex('e0010304020000000000'))).toMatchObject({ serverId: hex('01030402') });
  });

  it('a CID shorter than ours but long enough routes, with what nonce it has', () => {
    expect(v3.decode(hex('c001030402aabbcc'))).toMatchObject({
      serverId: hex('01030402'),
      nonce: hex('aabbcc'),
    });
  });
});
