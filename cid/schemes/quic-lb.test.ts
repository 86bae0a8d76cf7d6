// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { LENGTH_PAIRS, octets, quicLbConfig, secret } from '../testing/arbitraries.js';
import { encryptBlock, fourPass } from '../testing/reference.js';
import { configOf, hex, vectors } from '../testing/vectors.js';
import { createCodec } from './index.js';
import type { QuicLbConfig } from './quic-lb.js';

describe('vectors of draft -22', () => {
  it.each(vectors.encrypted)('row $row ($scheme): both ways', (row) => {
    const codec = createCodec(configOf(row));
    expect(toHex(codec.encode(hex(row.sid), hex(row.nonce)))).toBe(row.cid);
    expect(codec.decode(hex(row.cid))).toEqual({
      routable: true,
      configId: row.configId,
      serverId: hex(row.sid),
      nonce: hex(row.nonce),
      serverUse: new Uint8Array(0),
      algorithm: row.scheme,
    });
  });

  it.each(vectors.plaintext)('plaintext $cid: both ways', (row) => {
    const codec = createCodec(configOf(row));
    expect(toHex(codec.encode(hex(row.sid), hex(row.nonce)))).toBe(row.cid);
    expect(codec.decode(hex(row.cid))).toMatchObject({ serverId: hex(row.sid) });
  });

  it('worked example: every intermediate value, so that the reference is the draft', () => {
    const { key, sid, nonce, cid, intermediates, configId } = vectors.workedExample;
    const steps = fourPass(hex(key), hex(sid + nonce));
    expect({
      right_1: toHex(steps.right[1]),
      left_1: toHex(steps.left[1]),
      right_2: toHex(steps.right[2]),
      left_2: toHex(steps.left[2]),
    }).toEqual(intermediates);
    const codec = createCodec(configOf({ key, sid, nonce, configId }));
    expect(toHex(codec.encode(hex(sid), hex(nonce)))).toBe(cid);
  });

  const ofStaleDraft = vectors.mustNotRoute.filter((row) => row.decodes_under_draft22_to_sid);
  it.each(ofStaleDraft)('ciphertext of an older draft decodes to another sid: $cid', (row) => {
    const key = row.config?.key ?? '';
    const codec = createCodec(configOf({ configId: 0, sid: '000000', nonce: '00000000', key }));
    expect(codec.decode(hex(row.cid))).toMatchObject({
      serverId: hex(row.decodes_under_draft22_to_sid ?? ''),
    });
  });
});

describe('what does not route', () => {
  const codec = createCodec(configOf({ configId: 0, sid: '000000', nonce: '00000000' }));
  it.each([
    ['no octets', '', 'empty'],
    ['0b111, however short', 'e7', 'failover-config'],
    ['0b111 without a self-encoded length', 'e000000000000000', 'failover-config'],
    ['one octet short', '0720b1d07b359d', 'too-short'],
    ['another config', '4720b1d07b359d3c', 'config-mismatch'],
    ['another config, and short: the config comes first', '47', 'config-mismatch'],
  ])('%s', (_, cid, reason) => {
    expect(codec.decode(hex(cid))).toEqual({ routable: false, reason });
  });

  it('a longer DCID counts by its first octets', () => {
    const cid = codec.encode(hex('c4605e'), hex('4504cc4f'));
    const longer = Uint8Array.from([...cid, 1, 2, 3]);
    expect(codec.decode(longer)).toEqual(codec.decode(cid));
  });
});

describe('every legal pair of lengths', () => {
  it('there are 120 of them', () => {
    // Sums up to 19 with sid >= 1, nonce >= 4: 15 + 14 + ... + 1.
    expect(LENGTH_PAIRS).toHaveLength(120);
  });

  it.each(LENGTH_PAIRS)('sid %i, nonce %i: as the reference, and back', (s, n) => {
    const sample = fc.record({
      serverId: octets(s),
      nonces: fc.array(octets(n), { minLength: 1, maxLength: 5 }),
      key: fc.option(secret),
      config: quicLbConfig,
    });
    fc.assert(
      fc.property(sample, ({ serverId, nonces, key, config: { configId } }) => {
        const codec = createCodec({
          scheme: 'quic-lb',
          configId,
          serverIdLength: s,
          nonceLength: n,
          serverUseLength: 0,
          lengthSelfEncoded: true,
          key,
        });
        const count = nonces.length;
        const out = new Uint8Array(count * codec.cidLength);
        codec.encodeBatch(serverId, Uint8Array.from(nonces.flatMap((x) => [...x])), count, out);
        nonces.forEach((nonce, i) => {
          const cid = out.slice(i * codec.cidLength, (i + 1) * codec.cidLength);
          const block = encryptBlock(
            key?.reveal() ?? null,
            Uint8Array.from([...serverId, ...nonce]),
          );
          expect(toHex(cid)).toBe(toHex(Uint8Array.from([(configId << 5) | (s + n), ...block])));
          expect(codec.encode(serverId, nonce)).toEqual(cid);
          const received = Buffer.from(cid); // Whose slice() does not copy.
          expect(codec.decode(received)).toMatchObject({ routable: true, serverId, nonce });
          expect(toHex(received)).toBe(toHex(cid));
        });
      }),
      { numRuns: 20 },
    );
  });
});

describe('batches', () => {
  it('larger than a cipher call are the same CIDs as one by one', () => {
    const config = fc.record({ config: quicLbConfig, extra: fc.integer({ min: 0, max: 1100 }) });
    fc.assert(
      fc.property(config, ({ config, extra }) => {
        const plain = { ...config, lengthSelfEncoded: true, serverUseLength: 0 };
        const codec = createCodec(plain);
        const count = 1024 + extra;
        const serverId = new Uint8Array(codec.serverIdLength).fill(0xa5);
        const nonces = new Uint8Array(count * codec.nonceLength).map((_, i) => (i * 193) >> 3);
        const out = new Uint8Array(count * codec.cidLength + 1);
        codec.encodeBatch(serverId, nonces, count, out);
        expect(out.at(-1)).toBe(0);
        for (const i of [0, 1, 1022, 1023, 1024, count - 1].filter((i) => i < count)) {
          const nonce = nonces.slice(i * codec.nonceLength, (i + 1) * codec.nonceLength);
          const cid = out.slice(i * codec.cidLength, (i + 1) * codec.cidLength);
          expect(toHex(cid)).toBe(toHex(codec.encode(serverId, nonce)));
        }
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['nonces too short', 7, 2, 16],
    ['nonces too long', 9, 2, 16],
    ['out too short', 8, 2, 15],
    ['count not whole', 8, 1.5, 16],
    ['count negative', 8, -1, 16],
  ])('%s: refused, nothing written', (_, nonces, count, room) => {
    const codec = createCodec(configOf({ configId: 0, sid: '000000', nonce: '00000000' }));
    const out = new Uint8Array(room);
    expect(() => codec.encodeBatch(hex('c4605e'), new Uint8Array(nonces), count, out)).toThrow();
    expect(out).toEqual(new Uint8Array(room));
  });
});

describe('server-use octets and free bits', () => {
  it('come back as given; the config ID stays readable', () => {
    fc.assert(
      fc.property(
        quicLbConfig.chain((config) =>
          fc.record({
            config: fc.constant(config),
            serverId: octets(config.serverIdLength),
            nonce: octets(config.nonceLength),
            serverUse: octets(config.serverUseLength),
          }),
        ),
        ({ config, serverId, nonce, serverUse }) => {
          const codec = createCodec(config);
          const cid = codec.encode(serverId, nonce, { serverUse });
          expect(cid).toHaveLength(codec.cidLength);
          expect(codec.decode(cid)).toMatchObject({
            configId: config.configId,
            serverId,
            nonce,
            serverUse,
          });
          if (config.lengthSelfEncoded) expect(cid[0]! & 0x1f).toBe(cid.length - 1);
        },
      ),
    );
  });

  it('are random otherwise, different in every CID of a batch', () => {
    let next = 0;
    const random = (into: Uint8Array) => {
      for (let i = 0; i < into.length; i++) into[i] = ++next;
    };
    const config: QuicLbConfig = {
      ...configOf({ configId: 5, sid: '00', nonce: '00000000', lengthSelfEncoded: false }),
      serverUseLength: 2,
    };
    const codec = createCodec(config, { random });
    const out = new Uint8Array(3 * codec.cidLength);
    codec.encodeBatch(hex('01'), new Uint8Array(12), 3, out);
    const cids = [0, 1, 2].map((i) => toHex(out.slice(i * 8, i * 8 + 8)));
    expect(new Set(cids.map((cid) => cid.slice(12))).size).toBe(3);
    expect(new Set(cids.map((cid) => cid.slice(0, 2))).size).toBe(3);
    for (const cid of cids) expect(Number.parseInt(cid.slice(0, 2), 16) >> 5).toBe(5);
  });
});

it('of another length reads and is read alike, and has none where it does not fit', () => {
  fc.assert(
    fc.property(quicLbConfig, fc.integer({ min: 1, max: 24 }), (config, cidLength) => {
      const codec = createCodec(config);
      const other = codec.ofLength?.(cidLength);
      const { minimumLength } = codec.decodePlan;
      const possible = cidLength >= minimumLength && cidLength <= 20;
      expect(other !== undefined).toBe(possible);
      if (other === undefined) return;
      expect(other.cidLength).toBe(cidLength);
      expect(other.decodePlan).toEqual(codec.decodePlan);
      const [id, nonce] = [
        new Uint8Array(codec.serverIdLength).fill(1),
        new Uint8Array(codec.nonceLength).fill(2),
      ];
      const cid = other.encode(id, nonce);
      expect(codec.decode(cid)).toMatchObject({ routable: true, serverId: id, nonce });
    }),
  );
});
