// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { NarrowTunnel } from './narrow-tunnels.js';
import { TunnelMtuWarnings } from './tunnel-mtu-warnings.js';

let lines: { server: string; mtu: number; level: number }[];
let warnings: TunnelMtuWarnings;
beforeEach(() => {
  lines = [];
  warnings = new TunnelMtuWarnings(
    pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
  );
});

const narrow = (real: number, mtu: number): NarrowTunnel => {
  return { real, address: `10.9.0.${real}`, mtu, sent: 1600, packets: 1, age: 0 };
};
const look = (now: number, ...found: NarrowTunnel[]) =>
  warnings.look(found, (real) => `web-${real}`, now);
const said = () => lines.splice(0).map(({ server, mtu, level }) => [server, mtu, level]);

it('warns once of each server and MTU', () => {
  for (let now = 0; now < 500; now++) look(now, narrow(1, 1500), narrow(2, 1500));
  expect(said()).toEqual([
    ['web-1', 1500, 40],
    ['web-2', 1500, 40],
  ]);
  look(500, narrow(1, 1400), narrow(2, 1500));
  expect(said()).toEqual([['web-1', 1400, 40]]);
});

it('warns of one server once a minute at most, whatever is forged', () => {
  for (let now = 0; now < 180; now++) look(now, narrow(1, 1500 - now));
  expect(said()).toEqual([
    ['web-1', 1500, 40],
    ['web-1', 1440, 40],
    ['web-1', 1380, 40],
  ]);
});

it('warns again of what had passed', () => {
  look(0, narrow(1, 1500));
  look(1);
  look(2, narrow(1, 1500));
  expect(said()).toHaveLength(2);
});
