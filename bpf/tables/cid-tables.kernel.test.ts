// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CidCodec, type CidConfig, createCodec } from '../../cid/index.js';
import { fromHex, Secret, toHex } from '../../core/index.js';
import { type Answer, CidProbe, randomNumbers, randomOctets } from './testing/cid-probe.js';

// Compares the packet program's decoder (bpf/kernel/cid.h) with the codec of cid/: the same CID
// must give the same server ID, or the same reason why there is none.

const random = randomNumbers(0x5eed);
const octets = (length: number) => randomOctets(random, length);
let probe: CidProbe;

beforeAll(async () => {
  probe = await CidProbe.load({ pools: 4, configs: 16, serverIdRows: 200_000 });
});
afterAll(() => probe.close());

/** The kernel's right answer, from the codec and the IDs that lead to a real. */
function expected(codec: CidCodec, ids: Map<string, number>, cid: Uint8Array): Answer {
  const decoded = codec.decode(cid);
  const configBits = cid.length === 0 ? 0 : cid[0]! >> 5;
  if (!decoded.routable) {
    const reason = decoded.reason === 'reserved-server-id' ? 'unknown-server-id' : decoded.reason;
    return { result: reason, configBits, real: 0 };
  }
  const real = ids.get(toHex(decoded.serverId));
  return real === undefined
    ? { result: 'unknown-server-id', configBits, real: 0 }
    : { result: 'routes', configBits, real };
}

/** A CID of the config, which may be cut or altered, or random octets. */
function someCid(codec: CidCodec, ids: readonly Uint8Array[]): Uint8Array {
  const kind = random(10);
  if (kind < 2) return octets(random(22));
  const id = ids[random(ids.length)]!;
  const cid = codec.encode(id, octets(codec.nonceLength));
  if (kind < 4) return cid.subarray(0, random(cid.length + 1));
  if (kind < 5) cid[random(cid.length)]! ^= 1 << random(8);
  if (kind < 6) return Uint8Array.from([...cid, ...octets(random(4))]);
  return cid;
}

/** Installs a config with random or dense IDs, and compares answers. Returns how many routed. */
function compare(config: CidConfig, cids: number): number {
  const codec = createCodec(config);
  const length = codec.serverIdLength;
  const dense = random(2) === 0;
  const top = octets(length);
  const ids = Array.from({ length: 24 }, (_, i) => {
    if (!dense) return octets(length);
    const id = top.slice();
    id[length - 1] = i + 1;
    return id;
  });
  // Half of the IDs lead to a real.
  const live = new Map(ids.slice(0, 12).map((id, i) => [toHex(id), i + 1]));
  if (codec.decodePlan.zeroReserved) live.delete('00'.repeat(length));
  probe.tables.setConfig(
    1,
    codec.decodePlan,
    [...live].map(([id, real]) => [fromHex(id, 'id'), real]),
  );
  let routed = 0;
  for (let i = 0; i < cids; i++) {
    const cid = someCid(codec, ids);
    const want = expected(codec, live, cid);
    // The CID ends with the packet, or more octets follow; its stated length may be larger.
    const after = random(2) * random(30);
    const got = probe.ask(1, cid, cid.length, after);
    if (JSON.stringify(got) !== JSON.stringify(want)) {
      expect.fail(
        `${describeConfig(config)}, CID ${toHex(cid)} and ${after} octets after it: ` +
          `the kernel says ${JSON.stringify(got)}, the codec ${JSON.stringify(want)}`,
      );
    }
    if (got.result === 'routes') routed++;
  }
  for (const bits of codec.decodePlan.configBits) probe.tables.clearConfig(1, bits);
  return routed;
}

function describeConfig(config: CidConfig): string {
  return JSON.stringify(config);
}

describe('QUIC-LB', () => {
  for (const keyed of [false, true]) {
    it(`decodes every legal length ${keyed ? 'encrypted' : 'in the clear'}`, () => {
      let cases = 0;
      let routed = 0;
      for (let serverIdLength = 1; serverIdLength <= 15; serverIdLength++) {
        for (let nonceLength = 4; serverIdLength + nonceLength <= 19; nonceLength++) {
          const config: CidConfig = {
            scheme: 'quic-lb',
            configId: random(7),
            serverIdLength,
            nonceLength,
            serverUseLength: random(20 - serverIdLength - nonceLength),
            lengthSelfEncoded: random(2) === 0,
            key: keyed ? new Secret(octets(16)) : null,
          };
          routed += compare(config, 450);
          cases += 450;
        }
      }
      expect(cases).toBe(120 * 450);
      expect(routed).toBeGreaterThan(cases / 5);
    });
  }
});

describe('Katran', () => {
  it('decodes every version and length', () => {
    let routed = 0;
    for (const version of [1, 2, 3] as const) {
      for (let cidLength = 8; cidLength <= 20; cidLength++) {
        routed += compare({ scheme: 'katran', version, cidLength }, 300);
      }
    }
    expect(routed).toBeGreaterThan(39 * 60);
  });
});

interface Vectors {
  encrypted: {
    row: string;
    key: string;
    sid: string;
    nonce: string;
    cid: string;
    configId: number;
  }[];
  katranLayout: { cid: string; version: 1 | 2 | 3; server_id: number }[];
  mustNotRoute: { cid: string; why: string }[];
}

describe('the vectors of draft -22', () => {
  const path = new URL('../../cid/testdata/draft-22.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;

  for (const { row, key, sid, nonce, cid, configId } of vectors.encrypted) {
    it(`route: row ${row}`, () => {
      const codec = createCodec({
        scheme: 'quic-lb',
        configId,
        serverIdLength: sid.length / 2,
        nonceLength: nonce.length / 2,
        serverUseLength: 0,
        lengthSelfEncoded: true,
        key: new Secret(fromHex(key, 'key')),
      });
      probe.tables.setConfig(2, codec.decodePlan, [[fromHex(sid, 'sid'), 77]]);
      expect(probe.ask(2, fromHex(cid, 'cid')).real).toBe(77);
      probe.tables.clearConfig(2, configId);
      expect(probe.ask(2, fromHex(cid, 'cid')).result).toBe('config-mismatch');
    });
  }

  it('route in the layouts of Katran, except host ID 0', () => {
    for (const { cid, version, server_id: hostId } of vectors.katranLayout) {
      const codec = createCodec({ scheme: 'katran', version, cidLength: cid.length / 2 });
      const hex = hostId.toString(16).padStart(2 * codec.serverIdLength, '0');
      const id = fromHex(hex, 'hex');
      probe.tables.setConfig(2, codec.decodePlan, hostId === 0 ? [] : [[id, 5]]);
      expect(probe.ask(2, fromHex(cid, 'cid')).real).toBe(hostId === 0 ? 0 : 5);
      // Cleared by one of its two values, the config routes by neither.
      probe.tables.clearConfig(2, codec.decodePlan.configBits[0]!);
      expect(probe.tables.configs().filter(({ pool }) => pool === 2)).toEqual([]);
      expect(probe.ask(2, fromHex(cid, 'cid')).real).toBe(0);
    }
  });

  it('do not route what must not', () => {
    const { key, sid, nonce } = vectors.encrypted[0]!;
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      serverIdLength: sid.length / 2,
      nonceLength: nonce.length / 2,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key: new Secret(fromHex(key, 'key')),
    });
    probe.tables.setConfig(2, codec.decodePlan, [[fromHex(sid, 'sid'), 77]]);
    for (const { cid } of vectors.mustNotRoute) {
      expect(probe.ask(2, fromHex(cid, 'cid')).result).not.toBe('routes');
    }
    probe.tables.clearConfig(2, 0);
  });
});

describe('the length of a CID', () => {
  it('is the lesser of what the packet says and what is there', () => {
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      serverIdLength: 3,
      nonceLength: 4,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key: null,
    });
    const id = fromHex('ed793a', 'id');
    probe.tables.setConfig(3, codec.decodePlan, [[id, 9]]);
    const cid = codec.encode(id, octets(4));
    expect(probe.ask(3, cid, 255).result).toBe('routes');
    expect(probe.ask(3, cid, 7, 40).result).toBe('too-short');
    expect(probe.ask(3, cid.subarray(0, 7), 8).result).toBe('too-short');
    expect(probe.ask(3, cid, 0, 40).result).toBe('empty');
    expect(probe.ask(3, new Uint8Array(0), 8).result).toBe('empty');
    probe.tables.clearConfig(3, 0);
  });
});

describe('pools', () => {
  it('give one config ID a meaning each', () => {
    const codecs = [1, 2].map(() =>
      createCodec({
        scheme: 'quic-lb',
        configId: 1,
        serverIdLength: 5,
        nonceLength: 6,
        serverUseLength: 0,
        lengthSelfEncoded: true,
        key: new Secret(octets(16)),
      }),
    );
    const id = octets(5);
    codecs.forEach((codec, i) => {
      probe.tables.setConfig(i + 1, codec.decodePlan, [[id, i + 1]]);
    });
    codecs.forEach((codec, i) => {
      const cid = codec.encode(id, octets(6));
      expect(probe.ask(i + 1, cid).real).toBe(i + 1);
      expect(probe.ask(2 - i, cid).result).toBe('unknown-server-id');
      expect(probe.ask(3, cid).result).toBe('config-mismatch');
    });
    for (const pool of [1, 2]) probe.tables.clearConfig(pool, 1);
  });
});

describe('many server IDs', () => {
  const cases = [
    { name: 'dense', serverIdLength: 4, count: 20_000, sequential: true },
    { name: 'exact', serverIdLength: 8, count: 20_000, sequential: false },
    { name: 'wide', serverIdLength: 11, count: 20_000, sequential: false },
  ];
  for (const { name, serverIdLength, count, sequential } of cases) {
    it(`all route, and no others: ${name}`, () => {
      const codec = createCodec({
        scheme: 'quic-lb',
        configId: 2,
        serverIdLength,
        nonceLength: 4,
        serverUseLength: 0,
        lengthSelfEncoded: true,
        key: null,
      });
      const ids = Array.from({ length: count }, (_, i): [Uint8Array, number] => {
        const id = octets(serverIdLength);
        if (sequential) new DataView(id.buffer).setUint32(0, 0x7a000000 | i);
        return [id, 1 + (i % 1000)];
      });
      probe.tables.setConfig(1, codec.decodePlan, ids);
      expect(probe.tables.configs()).toMatchObject([{ table: name, configBits: [2] }]);
      const nonce = octets(4);
      for (const [id, real] of ids) {
        const { real: got } = probe.ask(1, codec.encode(id, nonce));
        if (got !== real) expect.fail(`${toHex(id)} leads to ${got}, not ${real}`);
      }
      for (let i = 0; i < 2000; i++) {
        const { result } = probe.ask(1, codec.encode(octets(serverIdLength), nonce));
        expect(result).toBe('unknown-server-id');
      }
      probe.tables.clearConfig(1, 2);
    });
  }
});
