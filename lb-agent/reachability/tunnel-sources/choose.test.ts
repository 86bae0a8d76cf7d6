// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Route } from '../next-hops/ip.js';
import type { HostAddress } from './addresses.js';
import { type Circumstances, chooseSource } from './choose.js';

const own = (address: string, more: Partial<HostAddress> = {}): HostAddress => ({
  ...{ address, family: address.includes(':') ? 6 : 4, device: 'eth0' },
  ...{ unfit: null, tentative: false, ...more },
});
const by = (source: string | null, device = 'eth0'): Route => ({
  ...{ gateway: '192.0.2.254', device, source, type: undefined },
});

function choose(addresses: HostAddress[], more: Partial<Circumstances> = {}) {
  const [first] = addresses;
  return chooseSource({
    ...{ family: first?.family ?? 4, interface: 'eth0', addresses, vips: new Set<string>() },
    ...{ routes: [], current: null, ...more },
  });
}

describe('the source of tunnels', () => {
  it.each<[string, string, HostAddress[]]>([
    [
      'deprecated',
      '2001:db8::2',
      [own('2001:db8::1', { unfit: 'deprecated' }), own('2001:db8::2')],
    ],
    ['temporary', '2001:db8::2', [own('2001:db8::1', { unfit: 'temporary' }), own('2001:db8::2')]],
    ['of another family', '192.0.2.1', [own('192.0.2.1'), own('2001:db8::2')]],
    ['of another interface', '192.0.2.1', [own('10.0.0.1', { device: 'lo' }), own('192.0.2.1')]],
  ])('is not one that is %s', (_, expected, addresses) => {
    expect(choose(addresses).address).toBe(expected);
  });

  it('is never a VIP, not even where it was the source, or a route names it', () => {
    const addresses = [own('198.51.100.10'), own('192.0.2.1')];
    const vips = new Set(['198.51.100.10']);
    const more = { vips, current: '198.51.100.10', routes: [by('198.51.100.10')] };
    expect(choose(addresses, more).address).toBe('192.0.2.1');
    expect(choose(addresses.slice(0, 1), { vips })).toEqual({
      ...{ address: null, because: '198.51.100.10 is a VIP', waiting: false },
    });
  });

  it('is that of the routes by the interface, the one that most have', () => {
    const addresses = [own('192.0.2.1'), own('192.0.2.2'), own('10.0.0.1', { device: 'lo' })];
    const routes = [by('192.0.2.2'), by('10.0.0.1'), by('10.0.0.1'), by(null)];
    expect(choose(addresses, { routes }).address).toBe('10.0.0.1');
    const elsewhere = [by('192.0.2.2', 'eth1'), by('203.0.113.9')];
    expect(choose(addresses, { routes: elsewhere }).address).toBe('192.0.2.1');
  });

  it('stays while it may', () => {
    const addresses = [own('192.0.2.1'), own('192.0.2.2')];
    expect(choose(addresses, { current: '192.0.2.2' }).address).toBe('192.0.2.2');
    expect(choose(addresses, { current: '192.0.2.3' }).address).toBe('192.0.2.1');
  });

  it('may be about to come', () => {
    const tentative = own('2001:db8::1', { unfit: 'tentative', tentative: true });
    expect(choose([tentative])).toMatchObject({ address: null, waiting: true });
    const vips = new Set([tentative.address]);
    expect(choose([tentative], { vips })).toMatchObject({ address: null, waiting: false });
    expect(choose([tentative, own('2001:db8::2')])).toMatchObject({ waiting: false });
  });
});
