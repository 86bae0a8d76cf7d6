// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LinkMtu } from './link-mtu.js';

let mtu: number | Error;
let told: number[];
let lines: { msg: string }[];
/** Of each monitor that was started; it may report a change, or end. */
let monitors: { line(): void; end(): void }[];
let link: LinkMtu | undefined;
beforeEach(() => {
  vi.useFakeTimers();
  [mtu, told, lines, monitors] = [1500, [], [], []];
});
afterEach(async () => {
  await link?.close();
  vi.useRealTimers();
});

function follow(): void {
  link = new LinkMtu(
    {
      interface: 'eth0',
      mtu: 1500,
      ip: async () => {
        if (mtu instanceof Error) throw mtu;
        return JSON.stringify([{ ifname: 'eth0', mtu }]);
      },
      monitor: (line, end) => {
        monitors.push({ line, end });
        return { close: () => {} };
      },
      log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
    },
    (octets) => told.push(octets),
  );
}

it('tells what has changed since it was read, and then each change once', async () => {
  mtu = 1600;
  follow();
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual([1600]);
  mtu = 1400;
  for (let i = 0; i < 3; i++) monitors[0]?.line();
  await vi.advanceTimersByTimeAsync(100);
  expect(told).toEqual([1600, 1400]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual([1600, 1400]);
  expect(monitors).toHaveLength(1);
});

it('keeps the last while the interface is away, says so once, and looks without a monitor', async () => {
  follow();
  await vi.advanceTimersByTimeAsync(0);
  mtu = new Error('no such device');
  monitors[0]?.end();
  await vi.advanceTimersByTimeAsync(45_000);
  expect([told, lines.length, monitors.length]).toEqual([[], 1, 2]);
  mtu = 9000;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(told).toEqual([9000]);
});

it('tells nothing after it was closed', async () => {
  follow();
  await vi.advanceTimersByTimeAsync(0);
  await link?.close();
  mtu = 9000;
  monitors[0]?.line();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual([]);
});
