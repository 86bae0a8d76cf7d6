// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import {
  DEFAULT_SETTINGS,
  NO_MTU,
  type RealState,
  type TunnelMtu,
} from '../../bpf/tables/index.js';
import { narrowTunnels } from './narrow-tunnels.js';

const NOW = 5000;

function real(index: number, address: string, more: Partial<RealState> = {}): RealState {
  return {
    index,
    address,
    source: undefined,
    encapsulation: 'ipip',
    incarnation: 1,
    nextHop: { mac: new Uint8Array(6), ifindex: 0, sourceMac: new Uint8Array(6) },
    down: false,
    mtu: NO_MTU,
    ...more,
  };
}

function found(said: Partial<TunnelMtu>, ...reals: RealState[]) {
  return narrowTunnels(
    {
      settings: { ...DEFAULT_SETTINGS, mtu: 1600 },
      reals: () => reals,
      tunnelMtus: () => [{ address: '10.9.0.1', mtu: 1500, seconds: NOW, packets: 3, ...said }],
    },
    NOW,
  );
}

it('names the servers that the errors are about', () => {
  const servers = [real(1, '10.9.0.1'), real(2, '10.9.0.2'), real(3, '10.9.0.1')];
  const expected = { address: '10.9.0.1', mtu: 1500, sent: 1600, packets: 3, age: 600 };
  expect(found({ seconds: NOW - 600 }, ...servers)).toEqual([
    { real: 1, ...expected },
    { real: 3, ...expected },
  ]);
  // The clock of the packet program is read after ours.
  expect(found({ seconds: NOW + 1 }, ...servers)).toMatchObject([{ age: 0 }, { age: 0 }]);
});

it.each([
  ['of no server', { address: '203.0.113.9' }, real(1, '10.9.0.1')],
  ['that is no less than what is sent', { mtu: 1600 }, real(1, '10.9.0.1')],
  ['that the option of the server heeds', {}, real(1, '10.9.0.1', { mtu: 1500 })],
  ['about a server without a tunnel', {}, real(1, '10.9.0.1', { encapsulation: 'l2' })],
  ['that no link of IPv4 has', { mtu: 67 }, real(1, '10.9.0.1')],
  ['that no link of IPv6 has', { address: '2001:db8::1', mtu: 1279 }, real(1, '2001:db8::1')],
  ['that is long past', { seconds: NOW - 601 }, real(1, '10.9.0.1')],
  ['of which nothing came', { packets: 0 }, real(1, '10.9.0.1')],
])('passes over an error %s', (_, said, server) => {
  expect(found(said, server)).toEqual([]);
});
