// SPDX-License-Identifier: Apache-2.0
import { BpfObject, objectPath } from '../../bpf/binding/index.js';
import { DECAP_REASONS, type DecapReason, type DecapSetup, decapsulate } from '../model/decap.js';
import {
  ethernet,
  filler,
  ip,
  ipv4,
  ipv6,
  ipv6Fragment,
  ipv6Options,
  type Layer,
  mapped,
  udp,
  vlan,
} from '../packets/build.js';
import { describe, hexText } from '../packets/describe.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';

const PACKETS_PER_SETUP = 5000;
const BALANCERS = { 4: '10.0.0.7', 6: '2001:db8:6::7' } as const;
const STRANGERS = { 4: '10.9.0.7', 6: '2001:db8:9::7' } as const;
const SERVERS = { 4: '10.0.1.11', 6: '2001:db8:5::11' } as const;
const VIPS = { 4: '198.51.100.10', 6: '2001:db8:f::10' } as const;
const OTHERS = { 4: '203.0.113.9', 6: '2001:db8:dead::9' } as const;
const CLIENTS = { 4: '192.0.2.1', 6: '2001:db8:1::1' } as const;

export interface DecapFuzzResult {
  readonly packets: number;
  /** Number of packets by reason; kernel and model agree on it. */
  readonly reasons: ReadonlyMap<DecapReason, number>;
  /** Describes the packet that kernel and model answered differently, if there was one. */
  readonly mismatch: string | undefined;
}

/** Compares the decapsulating program with its model, as `fuzz` does for the balancer. */
export async function fuzzDecap(seed: number, packets: number): Promise<DecapFuzzResult> {
  const reasons = new Map<DecapReason, number>();
  let done = 0;
  for (let number = 0; done < packets; number++) {
    const random = new Random(seed, number);
    const object = await BpfObject.load(objectPath('decap'), { programs: ['decap'] });
    try {
      const setup = randomSetup(random);
      program(object, setup);
      for (let i = 0; i < PACKETS_PER_SETUP && done < packets; i++, done++) {
        const frame = mutate(random, randomTunnel(random, setup.guePort || 6080));
        const wanted = decapsulate(frame, setup);
        reasons.set(wanted.reason, (reasons.get(wanted.reason) ?? 0) + 1);
        const before = count(object, wanted.reason);
        const { retval, data } = object.program('decap').testRun({ data: frame });
        const same = retval === wanted.verdict && Buffer.compare(data, wanted.frame) === 0;
        if (same && count(object, wanted.reason) === before + 1) continue;
        const mismatch = [
          `seed ${seed}, setup ${number}: the model says ${wanted.reason}`,
          `packet ${hexText(frame)}`,
          describe(frame),
          `kernel: verdict ${retval}\n${describe(data)}`,
          `model: verdict ${wanted.verdict}\n${describe(wanted.frame)}`,
        ].join('\n');
        return { packets: done, reasons, mismatch };
      }
    } finally {
      object.close();
    }
  }
  return { packets: done, reasons, mismatch: undefined };
}

function randomSetup(random: Random): DecapSetup {
  return {
    guePort: random.pick([6080, 6080, 53, 0]),
    sources: random.chance(0.5)
      ? [
          { address: ip('10.0.0.0'), bits: random.pick([8, 24, 29, 32]) },
          { address: ip('2001:db8:6::'), bits: random.pick([32, 48, 125, 128]) },
        ]
      : undefined,
    vips: random.chance(0.5) ? [ip(VIPS[4]), ip(VIPS[6])] : undefined,
  };
}

/** Writes settings and lists in the layout of decap.h. */
function program(object: BpfObject, { guePort, sources, vips }: DecapSetup): void {
  const settings = object.map('.data.decap').mmap();
  const view = new DataView(settings.buffer, settings.byteOffset);
  view.setUint32(0, sources === undefined ? 0 : 1, true);
  view.setUint32(4, vips === undefined ? 0 : 1, true);
  view.setUint16(8, guePort);
  for (const { address, bits } of sources ?? []) {
    const key = new Uint8Array(20);
    new DataView(key.buffer).setUint32(0, bits + (address.length === 4 ? 96 : 0), true);
    key.set(mapped(address), 4);
    object.map('decap_sources').update(key, new Uint8Array(4));
  }
  for (const vip of vips ?? []) object.map('decap_vips').update(mapped(vip), new Uint8Array(4));
}

function count(object: BpfObject, reason: DecapReason): number {
  const octets = object.map('decap_stats').lookup(DECAP_REASONS.indexOf(reason));
  if (octets === undefined) throw new Error('decap_stats is too short');
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  let packets = 0n;
  for (let at = 0; at < octets.length; at += 16) packets += view.getBigUint64(at, true);
  return Number(packets);
}

/** Makes a tunnel of any kind, mostly sound, or a packet that only looks like a tunnel. */
function randomTunnel(random: Random, guePort: number): Uint8Array {
  const inner = randomInner(random, random.chance(0.5) ? 6 : 4);
  const gue = random.chance(0.35);
  const body = gue
    ? udp(
        {
          source: 0xc000 | random.below(1000),
          destination: random.chance(0.9) ? guePort : 443,
          checksum: 0,
          ...(random.chance(0.1) ? { length: random.below(120) } : {}),
        },
        random.chance(0.95) ? inner.encode(undefined) : new Uint8Array(random.below(3)),
      )
    : inner;
  const outer = random.chance(0.5) ? outer4(random, body) : outer6(random, body);
  const tagged = random.chance(0.1) ? vlan({ id: random.below(4096) }, outer) : outer;
  return ethernet(random.chance(0.3) ? { minimum: 60 + random.below(60) } : {}, tagged);
}

function randomInner(random: Random, family: 4 | 6): Layer {
  const body = udp({ source: 40000, destination: 443 }, filler(random.below(60)));
  const source = CLIENTS[family];
  const destination = random.chance(0.85) ? VIPS[family] : OTHERS[family];
  const length = random.chance(0.05) ? { length: random.below(150) } : {};
  if (family === 6) {
    return ipv6({ source, destination, trafficClass: random.below(256), ...length }, body);
  }
  const odd = {
    ...(random.chance(0.1) ? { options: filler(4 * random.between(1, 10)) } : {}),
    ...(random.chance(0.03) ? { headerWords: random.below(16) } : {}),
  };
  return ipv4({ source, destination, tos: random.below(256), ...length, ...odd }, body);
}

function outer4(random: Random, body: Layer): Layer {
  return ipv4(
    {
      source: random.chance(0.8) ? BALANCERS[4] : STRANGERS[4],
      destination: SERVERS[4],
      tos: random.below(256),
      ...(random.chance(0.05) ? { length: random.below(150) } : {}),
      ...(random.chance(0.05) ? { options: filler(4) } : {}),
      ...(random.chance(0.05)
        ? { fragment: { offset: 8 * random.below(2), more: random.chance(0.5) } }
        : {}),
    },
    body,
  );
}

function outer6(random: Random, body: Layer): Layer {
  const extensions = random.chance(0.1)
    ? [
        random.chance(0.5)
          ? ipv6Options(60)
          : ipv6Fragment({ offset: 8 * random.below(2), more: random.chance(0.5) }),
      ]
    : [];
  return ipv6(
    {
      source: random.chance(0.8) ? BALANCERS[6] : STRANGERS[6],
      destination: SERVERS[6],
      trafficClass: random.below(256),
      extensions,
      ...(random.chance(0.05) ? { length: random.below(150) } : {}),
    },
    body,
  );
}
