// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DesiredState, Encapsulation } from '../../../registry/index.js';
import { HostChecks } from './host-checks.js';

const VIPS = ['198.51.100.10', '2001:db8:64::10'];

let forwarding: object[];
/** By destination; null: no route, as by a blackhole of IPv4. */
let routes: Record<string, object | null>;
let kind: string;
let lines: { level: number; msg: string; vips?: string }[];
let checks: HostChecks;
beforeEach(() => {
  [forwarding, routes, kind, lines] = [[], {}, 'virtio', []];
  open(true);
});

async function ip(args: readonly string[], input = ''): Promise<string> {
  if (args.includes('netconf')) return JSON.stringify(forwarding);
  if (args.includes('link')) {
    return JSON.stringify([{ ifname: 'eth0', ifindex: 2, linkinfo: { info_kind: kind } }]);
  }
  const asked = [...input.matchAll(/^route get (\S+)$/gm)].map(([, dst = '']) => dst);
  const found = asked.filter((dst) => routes[dst] !== null);
  return found.map((dst) => JSON.stringify([{ dst, dev: 'eth0', ...routes[dst] }])).join('\n');
}

function open(native: boolean): void {
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  checks = new HostChecks({ ingress: { name: 'eth0', native }, ip, log });
}

function desired(encapsulation: Encapsulation = 'ipip', vips = VIPS): DesiredState {
  const server = { name: 'web-1', address: '10.9.0.1', encapsulation };
  const pool = { name: 'web', vips: vips.map((address) => ({ address })), servers: [server] };
  return { revision: '', pools: [pool] } as unknown as DesiredState;
}

const four = (device: string) => ({ family: 'inet', interface: device, forwarding: true });
const six = (device: string) => ({ family: 'inet6', interface: device, forwarding: true });

describe('a host that forwards', () => {
  it.each<[string, object[], string[]]>([
    [
      'not at all',
      [
        { ...four('eth0'), forwarding: false },
        { family: 'inet', interface: 'lo' },
      ],
      [],
    ],
    ['IPv4 elsewhere', [four('all'), four('eth1')], []],
    ['IPv4 from the interface', [four('eth0')], [VIPS[0] ?? '']],
    ['IPv6', [six('all')], [VIPS[1] ?? '']],
    ['IPv6 by an interface alone, which does nothing', [six('eth0')], []],
    ['both', [four('eth0'), six('all')], [VIPS.join(' ')]],
  ])('is warned of: %s', async (_, settings, warned) => {
    forwarding = settings;
    await checks.follow(desired());
    await checks.follow(desired());
    expect(lines.map(({ level, vips }) => [level, vips])).toEqual(warned.map((vips) => [40, vips]));
  });

  it('is not where the VIP is local, or a blackhole', async () => {
    forwarding = [four('eth0'), six('all')];
    routes = { '198.51.100.10': null, '2001:db8:64::10': { type: 'local', dev: 'lo' } };
    await checks.follow(desired());
    expect(lines).toEqual([]);
    routes = { '198.51.100.10': null };
    await checks.follow(desired());
    expect(lines.map(({ vips }) => vips)).toEqual(['2001:db8:64::10']);
  });
});

it('native mode on a veth is warned of, once', async () => {
  kind = 'veth';
  for (let round = 0; round < 2; round++) await checks.follow(desired());
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/^native mode on a veth/)]);
  lines = [];
  open(false);
  await checks.follow(desired());
  expect(lines).not.toContainEqual(
    expect.objectContaining({ msg: expect.stringMatching(/^native mode/) }),
  );
});

it('warns once of generic mode, with the command that turns offloads off', async () => {
  open(false);
  for (let round = 0; round < 2; round++) await checks.follow(desired());
  expect(lines).toMatchObject([
    {
      level: 40,
      msg: expect.stringMatching(/^generic mode: .*GRO.*ethtool -K/),
      command: 'ethtool -K eth0 gro off lro off',
    },
  ]);
});

describe('an l2 server', () => {
  it('cannot be the host that balances', async () => {
    routes = { '10.9.0.1': { type: 'local', dev: 'lo' } };
    await checks.follow(desired('l2'));
    expect(() => checks.check(desired('l2'))).toThrow(/web-1 is an l2 server with an address of/);
    checks.check(desired('ipip'));
    checks.check(desired('l2', []));
    routes = {};
    await checks.follow(desired('l2'));
    checks.check(desired('l2'));
  });
});

it('a host that cannot be asked is said once, and refuses nothing', async () => {
  routes = { '198.51.100.10': {} };
  forwarding = [{ nonsense: true }];
  for (let round = 0; round < 2; round++) await checks.follow(desired());
  expect(lines.map(({ msg }) => msg)).toEqual(['cannot check this host']);
});
