// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest';
import { type Resolution, resolveAddresses } from './resolve.js';
import { FakeIp, type FakeLink, type FakeNeighbour, MAC } from './testing/fake-ip.js';

const SERVER = '10.9.0.2';
const GATEWAY = '192.0.2.254';
const THERE = '02:00:00:00:00:11';
const octets = (mac: string) => Uint8Array.from(Buffer.from(mac.replaceAll(':', ''), 'hex'));

let fake: FakeIp;
beforeEach(() => {
  fake = new FakeIp();
});

async function resolution({ native = true, ask = false } = {}): Promise<Resolution | undefined> {
  return (await resolveAddresses([SERVER], fake.ip, { name: 'eth0', native }, ask)).get(SERVER);
}

describe('the next hop of a server', () => {
  it('is the neighbour itself, a gateway, or a gateway of the other family', async () => {
    fake.answer(SERVER, THERE);
    const nextHop = { kind: 'neighbour', mac: octets(THERE), ifindex: 0, sourceMac: octets(MAC) };
    expect(await resolution()).toEqual({
      kind: 'resolved',
      nextHop,
      gateway: null,
      condition: null,
    });

    fake.neighbours = [];
    fake.routes.set(SERVER, { gateway: GATEWAY });
    fake.answer(GATEWAY, THERE);
    expect(await resolution()).toEqual({
      kind: 'resolved',
      nextHop,
      gateway: GATEWAY,
      condition: null,
    });

    fake.routes.set(SERVER, { via: { family: 'inet6', host: 'fe80::fe' } });
    expect(await resolution()).toMatchObject({ kind: 'asked', gateway: 'fe80::fe' });
    fake.answer('fe80::fe', THERE, 'STALE');
    expect(await resolution()).toEqual({
      kind: 'resolved',
      nextHop,
      gateway: 'fe80::fe',
      condition: null,
    });
  });

  it('is another gateway of the route where the one that the kernel shows is dead', async () => {
    const OTHER = '192.0.2.253';
    const hop = (gateway: string, flags: string[] = []) => ({ gateway, dev: 'eth0', flags });
    fake.routes.set(SERVER, { gateway: GATEWAY, nexthops: [hop(GATEWAY), hop(OTHER)] });
    fake.answer(OTHER, THERE);
    expect(await resolution()).toMatchObject({ kind: 'resolved', gateway: OTHER });
    fake.answer(GATEWAY, MAC);
    expect(await resolution()).toMatchObject({ kind: 'resolved', gateway: GATEWAY });

    // All are asked, and what is wrong with each is said.
    fake.neighbours = [{ dst: GATEWAY, dev: 'eth0', state: ['FAILED'] }];
    expect(await resolution({ ask: true })).toMatchObject({
      kind: 'asked',
      reason: `no answer from ${GATEWAY} dev eth0; no answer from ${OTHER} dev eth0`,
    });
    expect(fake.asked).toEqual([
      `neigh change ${GATEWAY} dev eth0 use`,
      `neigh add ${OTHER} dev eth0 use`,
    ]);

    // One that the kernel knows to be dead is none.
    fake.routes.set(SERVER, { gateway: GATEWAY, nexthops: [hop(GATEWAY), hop(OTHER, ['dead'])] });
    fake.answer(OTHER, THERE);
    expect(await resolution()).toMatchObject({ kind: 'silent' });
  });

  it.each([
    ['asked', ['INCOMPLETE']],
    ['silent', ['FAILED']],
    ['asked', []],
  ])('is %s where the neighbour is %j', async (kind, state) => {
    fake.neighbours = [{ dst: SERVER, dev: 'eth0', state }];
    expect(await resolution()).toMatchObject({ kind, byIngress: true });
  });

  it.each<[string, object | null, RegExp]>([
    ['no route', null, /no route/],
    ['itself', { type: 'local', dev: 'lo' }, /address of this host/],
    ['a broadcast', { type: 'broadcast' }, /type broadcast/],
    ['a device that went away', { dev: 'gone' }, /gone, which is gone/],
    ['a tunnel without link addresses', { dev: 'tun0' }, /no Ethernet address/],
    ['lo', { dev: 'lo' }, /no Ethernet address/],
  ])('does not exist by %s', async (_, route, reason) => {
    fake.links.push(
      { ifname: 'lo', ifindex: 1, address: '00:00:00:00:00:00' },
      { ifname: 'tun0', ifindex: 3 },
    );
    fake.routes.set(SERVER, route);
    expect(await resolution()).toEqual({
      kind: 'unroutable',
      reason: expect.stringMatching(reason),
    });
  });
});

describe('devices', () => {
  const link = (kind?: string, parent?: string): FakeLink => ({
    ifname: 'other',
    ifindex: 7,
    address: MAC,
    ...(kind === undefined ? {} : { linkinfo: { info_kind: kind } }),
    ...(parent === undefined ? {} : { link: parent }),
  });
  function leaveBy(other: FakeLink): void {
    fake.links.push({ ifname: 'eth1', ifindex: 6, address: MAC }, other);
    fake.routes.set(SERVER, { dev: 'other' });
    fake.neighbours = [{ dst: SERVER, dev: 'other', lladdr: THERE, state: ['REACHABLE'] }];
  }

  it.each([
    ['a physical one', link()],
    ['a veth', link('veth')],
    ['a tap', link('tun')],
  ])('take redirects in native mode: %s', async (_, other) => {
    leaveBy(other);
    expect(await resolution()).toMatchObject({ kind: 'resolved', nextHop: { ifindex: 7 } });
  });

  it.each(['bridge', 'vlan', 'bond', 'macvlan', 'dummy', 'vxlan'])(
    'take none there, but in generic mode: %s',
    async (kind) => {
      leaveBy(link(kind, 'eth1'));
      const reason = expect.stringMatching(
        new RegExp(`leaves by other \\(${kind}\\).*--mode generic`),
      );
      expect(await resolution()).toEqual({ kind: 'unroutable', reason });
      expect(await resolution({ native: false })).toMatchObject({
        kind: 'resolved',
        nextHop: { ifindex: 7 },
      });
    },
  );

  it('are left by the interface that packets came in by, with their tag, where it is a VLAN of that', async () => {
    leaveBy(link('vlan', 'eth0'));
    expect(await resolution()).toMatchObject({
      kind: 'resolved',
      nextHop: { ifindex: 0 },
      condition: expect.stringMatching(/must come by other too/),
    });
    expect(await resolution({ native: false })).toMatchObject({
      kind: 'resolved',
      nextHop: { ifindex: 7 },
    });
  });
});

describe('neighbours', () => {
  const entry = (more: Partial<FakeNeighbour>) => ({ dst: SERVER, dev: 'eth0', ...more });

  it.each<[string, FakeNeighbour[], string[]]>([
    ['unknown', [], [`neigh add ${SERVER} dev eth0 use`]],
    ['FAILED', [entry({ state: ['FAILED'] })], [`neigh change ${SERVER} dev eth0 use`]],
    [
      'STALE',
      [entry({ lladdr: THERE, state: ['STALE'] })],
      [`neigh change ${SERVER} dev eth0 use`],
    ],
    ['REACHABLE', [entry({ lladdr: THERE, state: ['REACHABLE'] })], []],
    ['being asked', [entry({ state: ['INCOMPLETE'] })], []],
    ['PERMANENT', [entry({ lladdr: THERE, state: ['PERMANENT'] })], []],
    ['NOARP', [entry({ lladdr: THERE, state: ['NOARP'] })], []],
    ['from elsewhere', [entry({ lladdr: THERE, state: ['STALE'], extern_learn: null })], []],
    ["the kernel's to keep", [entry({ state: ['FAILED'], managed: null })], []],
  ])('that are %s are asked only where that takes nothing away', async (_, known, asked) => {
    fake.neighbours = known;
    await resolution({ ask: true });
    expect(fake.asked).toEqual(asked);
    await resolution();
    expect(fake.asked).toEqual(asked);
  });
});
