// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CidCodec, createCodec } from '../../cid/index.js';
import { Secret, toHex } from '../../core/index.js';
import { ensureBpffs } from '../binding/index.js';
import {
  Balancer,
  type BalancerCapacity,
  buildRing,
  decodePlanMark,
  type LoadBalancerOptions,
  SMALLEST_RING,
} from './index.js';
import { randomNumbers, randomOctets } from './testing/cid-probe.js';

const CAPACITY: BalancerCapacity = {
  vips: 16,
  pools: 4,
  configs: 8,
  reals: 64,
  serverIdRows: 8192,
  ringEntries: 3 * (SMALLEST_RING + 1),
  flowsPerCpu: 1024,
  eventsOctets: 4096,
};
const FOLDER = `/sys/fs/bpf/cdc${process.pid}-tables`;
const VIP = { address: '198.51.100.10', port: 443, protocol: 'udp' } as const;
const random = randomNumbers(11);

const opened: Balancer[] = [];
function keep(balancer: Balancer): Balancer {
  opened.push(balancer);
  return balancer;
}

beforeAll(() => ensureBpffs());
afterEach(() => {
  for (const balancer of opened.splice(0)) balancer.close();
  Balancer.unpin(FOLDER);
});

function codecOf(configId: number, key: boolean, serverIdLength = 8): CidCodec {
  return createCodec({
    scheme: 'quic-lb',
    configId,
    serverIdLength,
    nonceLength: 7,
    serverUseLength: 0,
    lengthSelfEncoded: true,
    key: key ? new Secret(randomOctets(random, 16)) : null,
  });
}

/** A UDP datagram over IPv4 to the VIP, which holds a QUIC short header with this DCID. */
function shortHeader(cid: Uint8Array): Buffer {
  const quic = Buffer.concat([Buffer.from([0x40]), cid, Buffer.alloc(30)]);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(50_000, 0);
  udp.writeUInt16BE(443, 2);
  udp.writeUInt16BE(8 + quic.length, 4);
  const ip = Buffer.from('45000000000000004011000009090909c633640a', 'hex');
  ip.writeUInt16BE(20 + udp.length + quic.length, 2);
  return Buffer.concat([Buffer.from('0200000000010200000000020800', 'hex'), ip, udp, quic]);
}

/** A balancer with reals 1..8 at 10.0.1.<index>, and one VIP whose ring leads to real 8. */
async function world(capacity = CAPACITY, options: LoadBalancerOptions = {}): Promise<Balancer> {
  const balancer = keep(await Balancer.load(capacity, { hashSeed: 5n, mtu: 1400 }, options));
  for (let i = 1; i <= 8; i++) {
    balancer.setReal(i, {
      address: `10.0.1.${i}`,
      encapsulation: 'ipip',
      source4: '10.0.0.1',
      incarnation: i,
    });
  }
  const ring = balancer.allocateRing(SMALLEST_RING);
  balancer.setRing(ring, buildRing([{ key: 'web-8', real: 8, weight: 1 }], SMALLEST_RING));
  balancer.setVip({ ...VIP, vip: 1, quic: true, pool: 1, ring });
  return balancer;
}

/** The last octet of the address that a packet is sent to. */
function sentTo(balancer: Balancer, cid: Uint8Array): number {
  // Each CPU has its own flows.
  const { data, retval } = balancer.program.testRun({ data: shortHeader(cid), cpu: 0 });
  expect(retval).toBe(3);
  return data[14 + 19]!;
}

describe('Balancer', () => {
  it('routes by what it was told, and counts it', async () => {
    const balancer = await world();
    const codec = codecOf(0, true);
    const ids = Array.from({ length: 7 }, () => randomOctets(random, 8));
    balancer.setConfig(
      1,
      codec.decodePlan,
      ids.map((id, i) => [id, i + 1]),
    );
    const cid = (i: number) => codec.encode(ids[i]!, randomOctets(random, 7));
    expect(ids.map((_, i) => sentTo(balancer, cid(i)))).toEqual([1, 2, 3, 4, 5, 6, 7]);

    balancer.setServerId(1, 0, ids[0]!, 5);
    expect(sentTo(balancer, cid(0))).toBe(5);
    balancer.setServerId(1, 0, ids[0]!, 0);
    expect(sentTo(balancer, cid(0))).toBe(8);
    balancer.setDown(2, true);
    expect(sentTo(balancer, cid(1))).toBe(8);
    balancer.clearConfig(1, 0);
    expect(sentTo(balancer, cid(2))).toBe(8);

    const { vips, reals } = balancer.counters();
    const row = vips.get(1)!;
    expect(row.cid?.packets).toBe(8);
    expect(row.config_0?.packets).toBe(8);
    expect(row.cid_unknown_server_id?.packets).toBe(1);
    expect(row.cid_server_down?.packets).toBe(1);
    expect(row.cid_unknown_config?.packets).toBe(1);
    expect(reals.get(5)?.packets).toBe(2);
    expect(reals.get(8)?.packets).toBe(3);

    balancer.removeVip(VIP);
    expect(balancer.program.testRun({ data: shortHeader(cid(2)) }).retval).toBe(2);
  });

  it('is found again by another process: the kernel’s tables are the truth', async () => {
    const first = await world();
    const codec = codecOf(3, true);
    const ids = Array.from({ length: 500 }, () => randomOctets(random, 8));
    first.setConfig(
      1,
      codec.decodePlan,
      ids.map((id, i) => [id, 1 + (i % 7)]),
    );
    first.setConfig(2, codecOf(3, false).decodePlan, []);
    first.pin(FOLDER);
    expect(() => first.pin(FOLDER)).toThrow(/cannot pin/);
    const before = {
      vips: first.vips(),
      reals: first.reals(),
      configs: first.configs(),
      settings: first.settings,
      available: first.available(),
    };
    first.close();

    const second = keep(Balancer.openPinned(FOLDER));
    expect({
      vips: second.vips(),
      reals: second.reals(),
      configs: second.configs(),
      settings: second.settings,
      available: second.available(),
    }).toEqual(before);
    expect(second.settings).toMatchObject({ hashSeed: 5n, mtu: 1400 });
    expect(second.vipAddresses()).toEqual([VIP.address]);
    expect(second.configMark(1, 3)).toBe(decodePlanMark(codec.decodePlan));
    expect(second.configMark(2, 3)).not.toBe(decodePlanMark(codec.decodePlan));
    const listed = new Map([...second.serverIds(1, 3)].map(([id, real]) => [toHex(id), real]));
    expect(listed).toEqual(new Map(ids.map((id, i) => [toHex(id), 1 + (i % 7)])));

    // The second process makes further changes: an ID is added, a ring moves, a config is replaced.
    const id = randomOctets(random, 8);
    second.setServerId(1, 3, id, 4);
    expect(sentTo(second, codec.encode(id, randomOctets(random, 7)))).toBe(4);
    const ring = second.allocateRing(SMALLEST_RING);
    expect(ring).not.toBe(second.vips()[0]!.ring);
    second.setConfig(1, codec.decodePlan, [[id, 6]]);
    expect(sentTo(second, codec.encode(id, randomOctets(random, 7)))).toBe(6);
  });

  it('keeps flows and counters in other tables, larger or not', async () => {
    const old = await world();
    const cid = codecOf(0, false).encode(randomOctets(random, 8), randomOctets(random, 7));
    for (let i = 0; i < 3; i++) expect(sentTo(old, cid)).toBe(8);

    const larger = { ...CAPACITY, vips: 32, pools: 16 };
    const next = await world(larger, { carry: old });
    const ids = (balancer: Balancer) =>
      (['flows', 'real_stats', 'vip_stats'] as const).map((name) => balancer.map(name).info.id);
    expect(ids(next).slice(0, 2)).toEqual(ids(old).slice(0, 2));
    expect(ids(next)[2]).not.toBe(ids(old)[2]);
    // The ring now leads to another real, but the flow is remembered.
    next.setRing(next.vips()[0]!.ring, new Uint32Array(SMALLEST_RING).fill(7));

    const finish = next.copyCounters(old);
    expect(next.counters().vips.get(1)).toEqual(old.counters().vips.get(1));
    expect(sentTo(old, cid)).toBe(8);
    expect(sentTo(next, cid)).toBe(8);
    finish?.();
    expect(next.counters().vips.get(1)).toMatchObject({
      ring: { packets: 1 },
      flow: { packets: 4 },
      cid_unknown_config: { packets: 5 },
    });
    expect(next.realCounter(8).packets).toBe(5);

    // Tables that fit need no copy. Flows cannot be found in slices of another size.
    const same = await world(larger, { carry: next });
    expect(ids(same)).toEqual(ids(next));
    expect(same.copyCounters(next)).toBeUndefined();
    const forgetful = await world({ ...larger, flowsPerCpu: 2048 }, { carry: next });
    expect(ids(forgetful)[0]).not.toBe(ids(next)[0]);
    const small = await world({ ...CAPACITY, vips: 4 }, { carry: next });
    expect(small.map('vip_stats').info.maxEntries).toBe(5);
    small.copyCounters(next)?.();
    expect(small.counters().vips).toEqual(next.counters().vips);
  });

  it('says which table is full, and changes nothing then', async () => {
    const balancer = await world();
    const codec = codecOf(0, false);
    const id = randomOctets(random, 8);
    balancer.setConfig(1, codec.decodePlan, [[id, 3]]);
    const many = Array.from({ length: 40_000 }, (): [Uint8Array, number] => [
      randomOctets(random, 8),
      1,
    ]);
    expect(() => balancer.setConfig(1, codec.decodePlan, many)).toThrow(
      expect.objectContaining({ code: 'MAP_FULL', message: expect.stringMatching(/server_ids/) }),
    );
    expect(() => balancer.allocateRing(3 * SMALLEST_RING)).toThrow(/rings/);
    expect(() => balancer.setServerId(1, 5, id, 1)).toThrow(/no config 5/);
    expect(() => balancer.setServerId(1, 0, id.subarray(1), 1)).toThrow(/8 octets, not 7/);
    expect(sentTo(balancer, codec.encode(id, randomOctets(random, 7)))).toBe(3);
  });

  it('wipes the key of a config that is gone', async () => {
    const balancer = await world();
    const codec = codecOf(1, true, 4);
    balancer.setConfig(1, codec.decodePlan, []);
    const rows = () => Buffer.from(balancer.map('configs').mmap());
    // The first words of an encryption schedule are the key itself.
    const key = Buffer.from(codec.decodePlan.key!.reveal());
    expect(rows().includes(key)).toBe(true);
    balancer.clearConfig(1, 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    balancer.sweep();
    expect(rows().includes(key)).toBe(false);
  });

  it('leaves nothing behind when pinning fails', async () => {
    const balancer = await world();
    expect(() => balancer.pin(`/tmp/cdc${process.pid}-no-bpffs`)).toThrow(
      expect.objectContaining({ code: 'PIN_INVALID' }),
    );
    expect(existsSync(`/tmp/cdc${process.pid}-no-bpffs`)).toBe(false);
    expect(() => Balancer.openPinned(FOLDER)).toThrow(
      expect.objectContaining({ code: 'PIN_INVALID' }),
    );
  });

  it('estimates less than 16 MB for 1,000 IDs and 10 VIPs', () => {
    const capacity: BalancerCapacity = {
      vips: 10,
      pools: 10,
      configs: 40,
      reals: 1024,
      serverIdRows: 1024,
      ringEntries: 10 * (65_537 + 1),
      flowsPerCpu: 65_536,
      eventsOctets: 65_536,
    };
    expect(Balancer.estimate(capacity)).toBeLessThan(16e6);
  });
});

describe('changes while packets flow', () => {
  const script = fileURLToPath(new URL('testing/traffic.ts', import.meta.url));
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  /** Makes changes while another process runs the program on one packet all the time. */
  async function whileSending(frame: Buffer, outer: string, changes: () => void) {
    const sender = spawn(
      process.execPath,
      ['--import', 'tsx', script, FOLDER, frame.toString('hex'), outer],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    child = sender;
    let output = '';
    sender.stdout.setEncoding('utf8');
    await new Promise<void>((resolve, reject) => {
      sender.once('error', reject);
      sender.once('exit', () => reject(new Error('the sender ended early')));
      sender.stdout.on('data', (text: string) => {
        output += text;
        resolve();
      });
    });
    changes();
    const ended = new Promise((resolve) => sender.once('close', resolve));
    sender.stdin.end();
    await ended;
    return JSON.parse(output) as { runs: number; wrong: number };
  }

  it('no packet of a live ID goes astray', async () => {
    const balancer = await world();
    const codec = codecOf(0, true);
    const id = randomOctets(random, 8);
    const others = Array.from({ length: 3000 }, () => randomOctets(random, 8));
    balancer.setConfig(1, codec.decodePlan, [[id, 3]]);
    balancer.pin(FOLDER);
    const cid = codec.encode(id, randomOctets(random, 7));

    const { runs, wrong } = await whileSending(shortHeader(cid), '0a000103', () => {
      for (let round = 0; round < 3; round++) {
        // ID by ID: several times the IDs need a larger table, which is built.
        for (const other of others) balancer.setServerId(1, 0, other, 5);
        for (const other of others) balancer.setServerId(1, 0, other, 0);
        // The config is replaced, and others are made and cleared beside it.
        for (let i = 0; i < 20; i++) {
          balancer.setConfig(1, codec.decodePlan, [
            [id, 3],
            [others[i]!, 4],
          ]);
          balancer.setConfig(1, codecOf(1, true).decodePlan, [[others[i]!, 4]]);
          balancer.clearConfig(1, 1);
        }
        // The ring changes in place, VIPs are added and removed, another real changes.
        const { ring } = balancer.vips()[0]!;
        balancer.setRing(ring, buildRing([{ key: 'a', real: 6, weight: 1 }], SMALLEST_RING));
        for (let i = 0; i < 12; i++) {
          const vip = { address: `192.0.2.${i}`, port: 0, protocol: 'udp' } as const;
          balancer.setVip({ ...vip, vip: 2 + i, quic: true, pool: 2, ring });
        }
        for (let i = 0; i < 12; i++) {
          balancer.removeVip({ address: `192.0.2.${i}`, port: 0, protocol: 'udp' });
        }
        for (let i = 0; i < 50; i++) balancer.setDown(4, i % 2 === 0);
      }
    });
    expect(runs).toBeGreaterThan(1000);
    expect(wrong).toBe(0);
  });
});
