// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from 'vitest';
import { RingBuffer } from '../../bpf/binding/index.js';
import { Balancer } from '../../bpf/tables/index.js';
import { ethernet, filler, ip, ipv4, mapped, quicLong, udp } from '../packets/build.js';

const VIP = '198.51.100.10';
const CAPACITY = {
  vips: 4,
  pools: 1,
  configs: 8,
  reals: 8,
  serverIdRows: 64,
  ringEntries: 64,
  flowsPerCpu: 64,
  eventsOctets: 65536,
};
const NO_SERVER = 15;
const CID_UNKNOWN_CONFIG = 34;

const dcid = Uint8Array.from({ length: 9 }, (_, i) => 0x20 + i);
const frame = ethernet(
  ipv4(
    { source: '192.0.2.1', destination: VIP },
    udp({ source: 40000, destination: 443 }, quicLong({ dcid }, filler(100))),
  ),
);

let balancer: Balancer | undefined;
let ring: RingBuffer | undefined;
afterEach(() => {
  ring?.close();
  balancer?.close();
});

async function eventsOf(
  settings: { sampleEvery: number; eventsPerSecond: number },
  packets: number,
): Promise<Uint8Array[]> {
  balancer = await Balancer.load(CAPACITY, settings);
  balancer.setVip({
    vip: 1,
    address: VIP,
    port: 443,
    protocol: 'udp',
    quic: true,
    pool: 0,
    ring: 0,
  });
  const events: Uint8Array[] = [];
  ring = new RingBuffer(balancer.map('events'), (batch) => {
    for (const event of batch) events.push(Uint8Array.from(event));
  });
  for (let i = 0; i < packets; i++) balancer.program.testRun({ data: frame, cpu: 0 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  return events;
}

test('off by default: no packet says anything', async () => {
  expect(await eventsOf({ sampleEvery: 0, eventsPerSecond: 1000 }, 10)).toEqual([]);
});

test('an event has the tuple, the CID and the decision', async () => {
  const [event, ...others] = await eventsOf({ sampleEvery: 1, eventsPerSecond: 1000 }, 1);
  expect(others).toEqual([]);
  if (event === undefined) throw new Error('no event');
  const view = new DataView(event.buffer, event.byteOffset, event.length);
  expect(event.subarray(8, 24)).toEqual(mapped(ip('192.0.2.1')));
  expect(event.subarray(24, 40)).toEqual(mapped(ip(VIP)));
  expect([view.getUint16(40), view.getUint16(42), event[44]]).toEqual([40000, 443, 17]);
  expect([event[45], event[46], event[47]]).toEqual([NO_SERVER, CID_UNKNOWN_CONFIG, dcid.length]);
  expect([view.getUint32(48, true), view.getUint32(52, true)]).toEqual([1, 0]);
  expect(view.getUint32(56, true)).toBe(frame.length);
  expect(event.subarray(60, 60 + dcid.length)).toEqual(dcid);
  expect(event.subarray(60 + dcid.length, 80)).toEqual(new Uint8Array(20 - dcid.length));
});

test('one packet in so many, on each CPU', async () => {
  // The process may move to another CPU, where the first packet is an event.
  const { length } = await eventsOf({ sampleEvery: 10, eventsPerSecond: 1000 }, 100);
  expect(length).toBeGreaterThanOrEqual(10);
  expect(length).toBeLessThan(30);
});

test('above the rate events are lost, and counted', async () => {
  const { length } = await eventsOf({ sampleEvery: 1, eventsPerSecond: 1 }, 200);
  const lost = balancer?.counters().vips.get(1)?.event_lost?.packets ?? 0;
  expect(lost).toBeGreaterThan(0);
  expect(length + lost).toBe(200);
});
