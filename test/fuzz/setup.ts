// SPDX-License-Identifier: Apache-2.0
import { buildRing, DEFAULT_SETTINGS, type RealSpec } from '../../bpf/tables/index.js';
import { type CidCodec, type CidConfig, createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import type { Setup, SetupConfig, SetupVip } from '../model/setup.js';
import type { Random } from './random.js';

/** The balancer is loaded with these capacities, which no random setup exceeds. */
export const CAPACITY = {
  vips: 32,
  pools: 8,
  configs: 64,
  reals: 64,
  serverIdRows: 65536,
  ringEntries: 2048,
  eventsOctets: 4096,
} as const;

/** BPF_PROG_TEST_RUN makes packets arrive on this interface, the loopback. */
export const INGRESS = 1;
const OTHER_INTERFACE = 2;
const POOLS = 7;
/** Reals up to this index may be programmed; IDs may also name higher ones (REALS_NAMED). */
export const REALS = 40;
const REALS_NAMED = 44;

export const TUNNEL_SOURCE = { 4: '10.255.3.7', 6: '2001:db8:6::7' } as const;
export const VIP_ADDRESSES = ['198.51.100.10', '198.51.100.11', '2001:db8:f::10', '2001:db8:f::11'];

/** Makes pools with every scheme, servers reached in every way, and VIPs of every kind. */
export function randomSetup(random: Random): Setup {
  const reals = randomReals(random);
  const named = [...reals.keys()];
  const rings = Array.from({ length: 4 }, (_, i) => randomRing(random, named, i));
  const configs = Array.from({ length: POOLS }, (_, pool) => randomConfigs(random, pool)).flat();
  return {
    settings: {
      ...DEFAULT_SETTINGS,
      hashSeed: (BigInt(random.word()) << 32n) | BigInt(random.word()),
      // No packet of a run may depend on how fast the run is.
      freshSeconds: 100_000,
      udpSeconds: 200_000,
      tcpSeconds: 300_000,
      icmpPerSecond: 0xffff_ffff,
      icmpErrorsPerSecond: 0xffff_ffff,
      sourceBits: random.pick([0, 1, 8, 16, 24, 31, 32]),
      // Some are below and some above the octets that a "too big" answer quotes.
      mtu: random.pick([400, 600, 1300, 1500, 65_535]),
      // Below it, a packet that does not fit is one that an offload made.
      ingressMtu: random.pick([500, 1280, 1500, 65_535, 65_535]),
      // What is lost is not compared: nobody reads the events.
      sampleEvery: random.pick([0, 0, 1, 5]),
      eventsPerSecond: 1_000_000,
      guePort: random.pick([6080, 6081, 53]),
    },
    // The small table soon fills with established flows.
    flowBuckets: random.pick([8, 1024]),
    reals,
    rings,
    vips: randomVips(random, rings.length),
    configs,
  };
}

function randomReals(random: Random): Map<number, RealSpec> {
  const reals = new Map<number, RealSpec>();
  for (let index = 1; index <= REALS; index++) {
    if (!random.chance(0.05)) reals.set(index, randomReal(random, index));
  }
  return reals;
}

export function randomReal(random: Random, index: number): RealSpec {
  const six = random.chance(0.5);
  return {
    address: six ? `2001:db8:5::${index.toString(16)}` : `10.0.${index}.1`,
    source4: TUNNEL_SOURCE[4],
    source6: TUNNEL_SOURCE[6],
    encapsulation: random.pick(['ipip', 'ipip', 'ipip', 'gue', 'l2']),
    incarnation: random.below(65536),
    down: random.chance(0.05),
    ...(random.chance(0.2) ? { mtu: random.pick([68, 500, 1280, 1400]) } : {}),
    ...(random.chance(0.5) ? { nextHop: randomHop(random, index) } : {}),
  };
}

function randomHop(random: Random, index: number): NonNullable<RealSpec['nextHop']> {
  return {
    mac: Uint8Array.of(2, 0, 0, 0, 1, index),
    ifindex: random.pick([0, INGRESS, OTHER_INTERFACE]),
    sourceMac: Uint8Array.of(2, 0, 0, 0, 2, index),
  };
}

/** Some entries may be empty or lead to servers that are down. */
function randomRing(random: Random, reals: readonly number[], i: number): Uint32Array {
  const size = random.pick([7, 101, 251]);
  const members = reals.filter(() => random.chance(0.5));
  const servers = members.map((real) => ({ key: `${i}/${real}`, real, weight: 1 + real }));
  const ring = buildRing(servers, size);
  if (random.chance(0.3)) ring.fill(0, 0, size >> 3);
  return ring;
}

function randomVips(random: Random, rings: number): SetupVip[] {
  let row = 0;
  return VIP_ADDRESSES.flatMap((address, i) => {
    // The second address of each family takes every port.
    const ports = i % 2 === 0 ? [443, 8443, 853, 1] : [0, 443];
    return ports.flatMap((port) =>
      (['udp', 'tcp'] as const)
        .filter(() => random.chance(0.8))
        .map((protocol) => ({
          address,
          port,
          protocol,
          row: ++row,
          quic: protocol === 'udp' && random.chance(0.85),
          pool: random.below(POOLS + 1),
          ring: random.chance(0.97) ? random.below(rings) : undefined,
        })),
    );
  });
}

/** Makes at most one config for each value of the first octet's top three bits. */
function randomConfigs(random: Random, pool: number): SetupConfig[] {
  const taken = new Set<number>();
  const configs: SetupConfig[] = [];
  const add = (config: CidConfig): void => {
    const codec = createCodec(config, { random: (into) => into.set(random.octets(into.length)) });
    if (codec.decodePlan.configBits.some((bits) => taken.has(bits))) return;
    for (const bits of codec.decodePlan.configBits) taken.add(bits);
    configs.push({ pool, codec, ids: randomIds(random, codec) });
  };
  for (const version of [1, 2, 3] as const) {
    if (random.chance(0.2)) add({ scheme: 'katran', version, cidLength: random.between(8, 20) });
  }
  for (let configId = 0; configId < 7; configId++) {
    if (random.chance(0.8)) add(randomQuicLb(random, configId));
  }
  return configs;
}

function randomQuicLb(random: Random, configId: number): CidConfig {
  const serverIdLength = random.between(1, 15);
  const most = 19 - serverIdLength;
  // About every sixth config fills exactly one AES block, which would be rare otherwise.
  const single = random.chance(0.2) && serverIdLength <= 12;
  const nonceLength = single ? 16 - serverIdLength : random.between(4, Math.max(4, most));
  const room = 19 - serverIdLength - nonceLength;
  return {
    scheme: 'quic-lb',
    configId,
    serverIdLength,
    nonceLength,
    serverUseLength: random.chance(0.3) ? random.between(0, Math.min(14, room)) : 0,
    lengthSelfEncoded: random.chance(0.5),
    key: random.chance(0.65) ? new Secret(random.octets(16)) : null,
  };
}

function randomIds(random: Random, codec: CidCodec): [Uint8Array, number][] {
  const ids = new Map<string, [Uint8Array, number]>();
  const dense = random.chance(0.5);
  const base = random.octets(codec.serverIdLength);
  const count = random.pick([1, 3, 20, 100]);
  for (let i = 0; i < count; i++) {
    const id = dense ? Uint8Array.from(base) : random.octets(codec.serverIdLength);
    if (dense) id[id.length - 1] = i;
    if (codec.decodePlan.zeroReserved && id.every((octet) => octet === 0)) continue;
    ids.set(String.fromCharCode(...id), [id, random.between(1, REALS_NAMED)]);
  }
  return [...ids.values()];
}
