// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DesiredState, Encapsulation, Server } from '../../../registry/index.js';
import { readAddresses } from './addresses.js';
import { TunnelSources, type TunnelSourcesOptions } from './tunnel-sources.js';

const VIP = '198.51.100.10';

/** As ip(8) prints an address; flags are there or not. */
const shown = (local: string, flags: object = {}) => ({
  ...{ family: local.includes(':') ? 'inet6' : 'inet', local, scope: 'global', ...flags },
});

let addresses: object[];
let report: () => void;
let sources: TunnelSources;
let lines: { level: number; msg: string; source?: string }[];
beforeEach(() => {
  vi.useFakeTimers();
  addresses = [];
  lines = [];
});
afterEach(async () => {
  await sources?.close();
  vi.useRealTimers();
});

async function ip(args: readonly string[]): Promise<string> {
  if (args.includes('-batch')) return '';
  return JSON.stringify([{ ifname: 'eth0', addr_info: addresses }]);
}

function open(given: Partial<TunnelSourcesOptions> = {}): void {
  sources = new TunnelSources({
    ...{ interface: 'eth0', ip, ...given },
    monitor: (onLine) => {
      report = onLine;
      return { close: () => {} };
    },
    log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
  });
}

function desired(address = '10.9.0.1', vips = [VIP], encapsulation: Encapsulation = 'ipip') {
  const rest = { serverIds: new Map(), weight: 100, state: 'active' } as const;
  const server: Server = { name: 'web-1', address, encapsulation, ...rest };
  const of = { port: 443, protocol: 'udp', quic: true } as const;
  const pool = { name: 'web', configs: [], servers: [server] };
  return {
    revision: '',
    pools: [{ ...pool, vips: vips.map((vip) => ({ ...of, address: vip })) }],
  } as unknown as DesiredState;
}

describe('addresses of this host', () => {
  it('are read with what is wrong with them', async () => {
    addresses = [
      shown('192.0.2.1'),
      shown('fe80::1', { scope: 'link' }),
      shown('127.0.0.1', { scope: 'host' }),
      shown('2001:db8::1', { tentative: true }),
      shown('2001:db8::2', { tentative: true, dadfailed: true }),
      shown('2001:db8::3', { temporary: true, deprecated: true }),
    ];
    expect((await readAddresses(ip)).map(({ address, unfit }) => [address, unfit])).toEqual([
      ['192.0.2.1', null],
      ['2001:db8::1', 'tentative'],
      ['2001:db8::2', 'in use elsewhere'],
      ['2001:db8::3', 'deprecated'],
    ]);
  });
});

describe('TunnelSources', () => {
  it('follow the addresses of the host', async () => {
    addresses = [shown(VIP), shown('192.0.2.1')];
    open();
    await sources.follow(desired());
    expect(sources.current).toEqual({ source4: '192.0.2.1', source6: null });
    const told = vi.fn();
    sources.onChange(told);
    expect(told).not.toHaveBeenCalled();
    addresses = [shown(VIP), shown('192.0.2.2')];
    report();
    await vi.advanceTimersByTimeAsync(200);
    expect([told.mock.calls.length, sources.current.source4]).toEqual([1, '192.0.2.2']);
    // Without any report too, as where the monitor has ended.
    addresses = [shown('192.0.2.3')];
    await vi.advanceTimersByTimeAsync(15_000);
    expect([told.mock.calls.length, sources.current.source4]).toEqual([2, '192.0.2.3']);
    expect(lines.map(({ level, source }) => [level, source])).toEqual([
      [30, '192.0.2.1'],
      [40, '192.0.2.2'],
      [40, '192.0.2.3'],
    ]);
  });

  it('leave an address that becomes a VIP, and say where there is no other', async () => {
    addresses = [shown('192.0.2.1'), shown('192.0.2.2')];
    open();
    await sources.follow(desired());
    await sources.follow(desired('10.9.0.1', ['192.0.2.1']));
    expect(sources.current.source4).toBe('192.0.2.2');
    const both = desired('10.9.0.1', ['192.0.2.1', '192.0.2.2']);
    await sources.follow(both);
    expect(sources.current.source4).toBe('192.0.2.2');
    expect(() => sources.check(both)).toThrow(/192.0.2.2 is a VIP, and there is no other/);
    // Nothing comes from it where nothing is tunnelled.
    sources.check(desired('10.9.0.1', ['192.0.2.2'], 'l2'));
  });

  it('keep an address that went away where there is no other, and say so once', async () => {
    addresses = [shown('192.0.2.1')];
    open();
    await sources.follow(desired());
    addresses = [];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sources.current.source4).toBe('192.0.2.1');
    expect(lines.filter(({ level }) => level >= 40)).toHaveLength(1);
  });

  it('wait at the start for an address that the kernel is looking at', async () => {
    addresses = [shown('2001:db8::1', { tentative: true })];
    open();
    const followed = sources.follow(desired('2001:db8:9::1'));
    await vi.advanceTimersByTimeAsync(1000);
    addresses = [shown('2001:db8::1')];
    await vi.advanceTimersByTimeAsync(200);
    await followed;
    expect(sources.current.source6).toBe('2001:db8::1');
  });

  it('are refused where they were named and are VIPs', async () => {
    open({ source4: { address: '198.51.100.0', prefixLength: 28 }, source6: '2001:db8::10' });
    await sources.follow(desired());
    expect(() => sources.check(desired())).toThrow(/10 is a VIP, and --source has it/);
    const six = desired('10.9.0.1', ['2001:db8::10']);
    expect(() => sources.check(six)).toThrow(/is a VIP, and --source6 has it/);
    sources.check(desired('10.9.0.1', ['198.51.100.16']));
  });

  it('say what is wrong with the addresses that there are', async () => {
    addresses = [shown('2001:db8::3', { temporary: true })];
    open();
    const state = desired('2001:db8:9::1');
    await sources.follow(state);
    expect(() => sources.check(state)).toThrow(/\(2001:db8::3 is temporary\): give --source6/);
  });
});
