// SPDX-License-Identifier: Apache-2.0
import type { Setup, SetupConfig, SetupVip } from '../model/setup.js';
import {
  coalesced,
  ETHERTYPE,
  type Extension,
  ethernet,
  filler,
  icmp,
  icmp6,
  ipv4,
  ipv6,
  ipv6Authentication,
  ipv6Fragment,
  ipv6Options,
  ipv6Routing,
  type Layer,
  QUIC_VERSION,
  quicLong,
  quicShort,
  tcp,
  udp,
  vlan,
} from '../packets/build.js';
import type { Random } from './random.js';
import { TUNNEL_SOURCE, VIP_ADDRESSES } from './setup.js';

const GROUPS = ['ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01'];
/** The kernel's table holds an IPv4 VIP in this form, but on the wire it is no VIP's address. */
const MAPPED = '::ffff:198.51.100.10';
const FOREIGN = { 4: '203.0.113.9', 6: '2001:db8:dead::9' } as const;

/**
 * Makes a packet of any kind that the packet program knows. Most are well-formed, but a few
 * contain false values. A fifth are for other destinations.
 */
export function randomPacket(random: Random, setup: Setup): Uint8Array {
  if (random.chance(0.02)) return randomTunnelError(random, setup);
  const quic = setup.vips.filter((vip) => vip.quic);
  const vip = random.pick(quic.length > 0 && random.chance(0.6) ? quic : setup.vips);
  const six = vip.address.includes(':');
  const port = vip.port === 0 || random.chance(0.05) ? random.between(1, 65535) : vip.port;
  const client = randomClient(random, six);
  const other = six ? random.pick([FOREIGN[6], MAPPED]) : FOREIGN[4];
  const address = random.chance(0.95) ? vip.address : other;
  const body = random.chance(0.12)
    ? icmpAbout(random, setup, vip, client, port)
    : transport(random, setup, vip, random.between(1024, 1030), port);
  const packet = six
    ? randomIpv6(random, client, address, body)
    : randomIpv4(random, client, address, body);
  const link = {
    ...(random.chance(0.5) ? { minimum: 60 } : {}),
    ...(random.chance(0.03) ? { destination: random.pick(GROUPS) } : {}),
  };
  return ethernet(link, randomTags(random, packet));
}

/** The clients are few, so that packets of the same flow recur. */
function randomClient(random: Random, six: boolean): string {
  const host = random.between(1, 40);
  return six ? `2001:db8:1::${host.toString(16)}` : `192.0.2.${host}`;
}

function randomTags(random: Random, packet: Layer): Layer {
  let tagged = packet;
  const tags = random.chance(0.75) ? 0 : random.pick([1, 1, 1, 2, 2, 3]);
  for (let i = 0; i < tags; i++) {
    const type = random.pick([ETHERTYPE.vlan, ETHERTYPE.qinq]);
    tagged = vlan({ id: random.below(4096), priority: random.below(8), type }, tagged);
  }
  return tagged;
}

function randomIpv4(random: Random, source: string, destination: string, body: Layer): Layer {
  return ipv4(
    {
      source,
      destination,
      tos: random.below(256),
      ttl: random.chance(0.9) ? 64 : random.pick([0, 1, 2, 255]),
      id: random.below(65536),
      dontFragment: random.chance(0.5),
      ...(random.chance(0.15) ? { options: filler(4 * random.between(1, 10)) } : {}),
      ...(random.chance(0.08) ? { fragment: randomFragment(random) } : {}),
      ...(random.chance(0.03) ? { length: random.below(200) } : {}),
      ...(random.chance(0.03) ? { headerWords: random.below(16) } : {}),
      ...(random.chance(0.03) ? { protocol: random.below(256) } : {}),
    },
    body,
  );
}

function randomFragment(random: Random): { offset: number; more: boolean } {
  return { offset: 8 * random.pick([0, 0, 1, 100]), more: random.chance(0.6) };
}

function randomIpv6(random: Random, source: string, destination: string, body: Layer): Layer {
  const extensions = random.chance(0.25)
    ? Array.from({ length: random.between(1, 7) }, () => randomExtension(random))
    : [];
  return ipv6(
    {
      source,
      destination,
      trafficClass: random.below(256),
      flowLabel: random.below(2 ** 20),
      hopLimit: random.chance(0.9) ? 64 : random.pick([0, 1, 2, 255]),
      extensions,
      ...(random.chance(0.03) ? { length: random.below(200) } : {}),
      ...(random.chance(0.03) ? { next: random.below(256) } : {}),
    },
    body,
  );
}

function randomExtension(random: Random): Extension {
  switch (random.below(6)) {
    case 0:
      return ipv6Routing(random.pick([8, 24]));
    case 1:
      return ipv6Fragment(random.chance(0.5) ? { offset: 0, more: false } : randomFragment(random));
    case 2:
      return ipv6Authentication();
    default:
      return ipv6Options(random.chance(0.5) ? 0 : 60, random.pick([8, 16, 64]));
  }
}

function transport(
  random: Random,
  setup: Setup,
  vip: SetupVip,
  source: number,
  destination: number,
): Layer {
  if ((vip.protocol === 'tcp') !== random.chance(0.05)) {
    return tcp({ source, destination, syn: random.chance(0.5) }, filler(random.below(60)));
  }
  const lies = random.chance(0.04) ? { length: random.below(100) } : {};
  return udp({ source, destination, ...lies }, randomDatagram(random, setup, vip));
}

function randomDatagram(random: Random, setup: Setup, vip: SetupVip): Uint8Array {
  const dcid = randomCid(random, setup, vip);
  const rest = filler(random.chance(0.05) ? random.between(200, 1250) : random.below(60));
  switch (random.below(8)) {
    case 0:
      return random.octets(random.below(30));
    case 1:
      return quicShort({ dcid, first: random.below(128) }, new Uint8Array(0));
    case 2:
    case 3: {
      const long = quicLong(
        {
          dcid,
          scid: random.octets(random.below(21)),
          first: 0x80 | random.below(128),
          version: random.pick([...Object.values(QUIC_VERSION), random.word()]),
          ...(random.chance(0.1) ? { dcidLength: random.below(256) } : {}),
        },
        rest,
      );
      return random.chance(0.2) ? coalesced(long, quicShort({ dcid })) : long;
    }
    default:
      return quicShort({ dcid, first: random.below(128) }, rest);
  }
}

/** Mostly a CID of the VIP's pool with a known server ID; a few are cut or extended. */
export function randomCid(random: Random, setup: Setup, vip: SetupVip): Uint8Array {
  const configs = setup.configs.filter(({ pool }) => pool === vip.pool);
  if (configs.length === 0 || random.chance(0.1)) return random.octets(random.below(24));
  const { codec, ids } = random.pick(configs);
  const id =
    ids.length === 0 || random.chance(0.1) ? unknownId(random, codec) : random.pick(ids)[0];
  const cid = codec.encode(id, random.octets(codec.nonceLength));
  if (random.chance(0.05)) return cid.subarray(0, random.below(cid.length));
  if (random.chance(0.05)) return Uint8Array.from([...cid, ...random.octets(random.below(8))]);
  return cid;
}

function unknownId(random: Random, codec: SetupConfig['codec']): Uint8Array {
  const id = random.octets(codec.serverIdLength);
  // Katran reserves the ID zero, so encode() refuses it.
  id[id.length - 1] = (id[id.length - 1] ?? 0) | 1;
  return id;
}

/** What a router says, to where tunnels begin, of one that is too big; and what is like it. */
function randomTunnelError(random: Random, setup: Setup): Uint8Array {
  const six = random.chance(0.5);
  const own = six ? TUNNEL_SOURCE[6] : TUNNEL_SOURCE[4];
  const source = random.chance(0.9) ? own : FOREIGN[six ? 6 : 4];
  const server = six ? '2001:db8:5::1' : '10.0.1.1';
  const inner = ipv4({ source: '192.0.2.1', destination: '198.51.100.10' }, filler(20));
  const destination = random.chance(0.9) ? setup.settings.guePort : random.below(65536);
  const body = random.chance(0.5) ? inner : udp({ source: 0xc000, destination }, filler(20));
  const rest = random.pick([0, 1400, 1400, 0x1_0000]);
  const router = six ? '2001:db8:7::1' : '203.0.113.1';
  if (six) {
    const about = ipv6({ source, destination: server }, body);
    const error = icmp6({ type: random.pick([1, 2, 2, 2]), rest }, about);
    return ethernet(ipv6({ source: router, destination: own }, error));
  }
  const about = ipv4({ source, destination: server, dontFragment: true }, body);
  const error = icmp(
    { type: random.pick([3, 3, 3, 11]), code: random.pick([4, 4, 3]), rest },
    about,
  );
  return ethernet(ipv4({ source: router, destination: own }, error));
}

/** An error about a packet that the VIP sent, or that looks as if. */
function icmpAbout(
  random: Random,
  setup: Setup,
  vip: SetupVip,
  client: string,
  port: number,
): Layer {
  const six = vip.address.includes(':');
  const source = random.chance(0.9) ? vip.address : random.pick(VIP_ADDRESSES);
  const scid = randomCid(random, setup, vip);
  const datagram = random.chance(0.5)
    ? quicLong(
        { dcid: random.octets(random.below(21)), scid },
        filler(random.pick([20, 600, 1200])),
      )
    : quicShort({ dcid: random.octets(8) }, filler(20));
  const ports = { source: port, destination: random.between(1024, 1030) };
  const body = vip.protocol === 'tcp' ? tcp(ports) : udp(ports, datagram);
  const about =
    six === source.includes(':')
      ? six
        ? randomIpv6(random, source, client, body)
        : randomIpv4(random, source, client, body)
      : filler(40);
  const embed = random.chance(0.3) ? { embed: random.below(80) } : {};
  const rest = random.pick([0, 1227, 1228, 1279, 1280, 1400, 0x1_0000]);
  if (!six)
    return icmp(
      { type: random.pick([0, 3, 3, 3, 8, 11, 12]), code: random.below(6), rest, ...embed },
      about,
    );
  return icmp6(
    { type: random.pick([1, 2, 2, 3, 4, 128, 129, 135]), code: random.below(6), rest, ...embed },
    about,
  );
}
