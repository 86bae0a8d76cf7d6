// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { folded, sumOf } from './checksum.js';
import { eatenAnswers } from './eaten-answers.js';
import { icmpHint } from './icmp-hint.js';
import { NUMBERED_OCTETS, numberInProbe, probeTemplate, setNumber } from './probe.js';
import { TunnelPacket } from './tunnel-packet.js';

const [LB4, LB6] = ['192.0.2.1', '2001:db8:2::1'];
const [VIP4, VIP6] = ['198.51.100.10', '2001:db8:64::10'];
const [SERVER4, SERVER6] = ['10.3.0.2', '2001:db8:3::2'];
const GUE_PORT = 6080;
const NUMBER = { target: 7, nonce: 0xdeadbeef };

const HEX: Readonly<Record<string, string>> = {
  [LB4]: 'c0000201',
  [VIP4]: 'c633640a',
  [SERVER4]: '0a030002',
  [LB6]: `20010db80002${'00'.repeat(9)}01`,
  [VIP6]: `20010db80064${'00'.repeat(9)}10`,
  [SERVER6]: `20010db80003${'00'.repeat(9)}02`,
};
const octetsOf = (address: string) => [...Buffer.from(HEX[address] ?? '', 'hex')];

function packet(encapsulation: 'ipip' | 'gue', vip: string, server: string): Uint8Array {
  const six = server.includes(':');
  const way = {
    ...{ source: vip === VIP4 ? LB4 : LB6, destination: vip, port: 443 },
    tunnel: { encapsulation, source: six ? LB6 : LB4, server, guePort: GUE_PORT, link: null },
  };
  const made = new TunnelPacket(way, probeTemplate('quic'), NUMBERED_OCTETS);
  setNumber('quic', made.payload, NUMBER);
  made.seal(40_001);
  return made.octets;
}

/** Whether the checksum of a UDP datagram is right, by the definition. */
function isSealed(source: string, destination: string, datagram: Uint8Array): boolean {
  const pseudo = [...octetsOf(source), ...octetsOf(destination), 0, 17];
  const length = [datagram.length >> 8, datagram.length & 0xff];
  return folded(sumOf(Uint8Array.from([...pseudo, ...length, ...datagram]))) === 0;
}

it.each([
  ['ipip', VIP4, SERVER4, 20, 4],
  ['ipip', VIP6, SERVER4, 20, 41],
  ['ipip', VIP4, SERVER6, 40, 4],
  ['ipip', VIP6, SERVER6, 40, 41],
  ['gue', VIP4, SERVER4, 28, 17],
  ['gue', VIP6, SERVER4, 28, 17],
  ['gue', VIP4, SERVER6, 48, 17],
  ['gue', VIP6, SERVER6, 48, 17],
] as const)(
  'a probe by %s to %s on %s is as the balancer would send it',
  (kind, vip, server, at, protocol) => {
    const octets = packet(kind, vip, server);
    const six = server === SERVER6;
    expect(octets[six ? 6 : 9]).toBe(protocol);
    expect([...octets.subarray(six ? 24 : 16, six ? 40 : 20)]).toEqual(octetsOf(server));
    if (!six) expect(folded(sumOf(octets, 0, 20))).toBe(0);
    const inner = octets.subarray(at);
    const header = vip === VIP4 ? 20 : 40;
    expect(inner.length).toBe(header + 8 + 1200);
    const source = vip === VIP4 ? LB4 : LB6;
    expect(isSealed(source, vip, inner.subarray(header))).toBe(true);
    if (kind === 'gue' && six) expect(isSealed(LB6, SERVER6, octets.subarray(40))).toBe(true);
    expect(numberInProbe(inner.subarray(header + 8))).toEqual(NUMBER);
  },
);

it.each([
  [
    'the process',
    3,
    packet('ipip', VIP4, SERVER4).subarray(20),
    /nothing listens on port 443/,
    VIP4,
  ],
  ['the tunnel', 2, packet('ipip', VIP4, SERVER4), /unwraps no such tunnel/, SERVER4],
  ['GUE', 3, packet('gue', VIP4, SERVER4), /unwraps no GUE/, SERVER4],
  ['a router', 0, packet('ipip', VIP4, SERVER4), /no route to its network/, SERVER4],
] as const)(
  'an error of ICMP tells of %s, and of which probe',
  (_, code, quoted, says, destination) => {
    const header = new Uint8Array(28);
    header.set([0x45], 0);
    header.set([3, code], 20);
    const hint = icmpHint(4, Uint8Array.from([...header, ...quoted.subarray(0, 520)]), GUE_PORT);
    expect(hint).toMatchObject({ number: NUMBER, destination, says: expect.stringMatching(says) });
    // However much it quotes.
    for (let length = 0; length < 100; length++) {
      const short = icmpHint(
        4,
        Uint8Array.from([...header, ...quoted.subarray(0, length)]),
        GUE_PORT,
      );
      expect(short?.number).toEqual(length < quoted.indexOf(0xe7) + 17 ? undefined : NUMBER);
    }
  },
);

it.each([
  ['local', { accept_local: 0, rp_filter: 0 }, /accept_local=1/],
  ['local', { accept_local: 1, rp_filter: 1 }, /rp_filter=1/],
  ['local', { accept_local: 1, rp_filter: 2 }, null],
  ['blackhole', { accept_local: 0, rp_filter: 0 }, null],
  ['blackhole', { accept_local: 0, rp_filter: 1 }, /blackhole route/],
  ['unreachable', { accept_local: 0, rp_filter: 2 }, /unreachable route/],
  [undefined, { accept_local: 0, rp_filter: 1 }, null],
] as const)('a VIP with a %s route and %o loses answers, or not', async (type, settings, why) => {
  const routes = [{ dst: 'default' }, { dst: VIP4, ...(type && { type }) }];
  const filter = ['off', 'strict', 'loose'][settings.rp_filter];
  const netconf = [{ family: 'inet', interface: 'eth0', rp_filter: filter }];
  const ip = async (args: readonly string[]) => {
    return JSON.stringify(args.includes('netconf') ? netconf : routes);
  };
  const read = async () => settings.accept_local;
  const found = await eatenAnswers([VIP4, VIP6], 'eth0', ip, read);
  if (why === null) expect([...found]).toEqual([]);
  else expect(found.get(VIP4)).toMatch(why);
  expect(found.has(VIP6)).toBe(false);
});
