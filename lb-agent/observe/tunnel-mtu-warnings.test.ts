// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { TunnelMtuWarnings } from './tunnel-mtu-warnings.js';

let lines: { server: string; mtu: number; level: number }[];
let warnings: TunnelMtuWarnings;
beforeEach(() => {
  lines = [];
  warnings = new TunnelMtuWarnings(
    pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
  );
});

const SERVERS = new Map([
  ['10.9.0.1', 'web-1'],
  ['2001:db8::1', 'web-2'],
]);
const said = (address: string, mtu: number, packets = 1) => ({ address, mtu, packets });

it('warns once of each server and MTU', () => {
  for (let round = 0; round < 3; round++) warnings.look([said('10.9.0.1', 1500)], SERVERS, 1600);
  warnings.look([said('10.9.0.1', 1400)], SERVERS, 1600);
  warnings.look([said('2001:db8::1', 1500)], SERVERS, 1600);
  expect(lines.map(({ server, mtu, level }) => [server, mtu, level])).toEqual([
    ['web-1', 1500, 40],
    ['web-1', 1400, 40],
    ['web-2', 1500, 40],
  ]);
});

it.each([
  ['of no server', said('203.0.113.9', 1400)],
  ['that is no less than what is sent', said('10.9.0.1', 1600)],
  ['that no link of IPv4 has', said('10.9.0.1', 60)],
  ['that no link of IPv6 has', said('2001:db8::1', 1279)],
  ['of which nothing came', said('10.9.0.1', 1400, 0)],
])('passes over an answer %s', (_, answer) => {
  warnings.look([answer], SERVERS, 1600);
  expect(lines).toEqual([]);
});
