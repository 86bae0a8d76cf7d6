// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Balancer } from '../../../bpf/tables/index.js';
import { PinFolder } from '../../installation/pins.js';
import { needFor } from '../../reconcile/capacity.js';
import type { InstallOperation } from '../../reconcile/operation.js';
import { NO_TABLES } from '../../reconcile/tables.js';
import { XdpDriver } from './driver.js';

vi.mock('../../../bpf/index.js', async (original) => {
  return { ...(await original<object>()), ifindex: () => 7 };
});

const NEED = needFor({ revision: '', pools: [] }, NO_TABLES, []);
const OPERATIONS: readonly InstallOperation[] = [
  { kind: 'note-incarnation', index: 1, incarnation: 5 },
  { kind: 'carry-counters' },
  { kind: 'reset-vip-counters', row: 2 },
];

let folder: string;
let pins: PinFolder;
/** Calls in their order, each with the number of the tables that it is for. */
let calls: string[];
let loaded: number;
let whileLoading: () => void;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-xdp-'));
  pins = new PinFolder(folder);
  pins.create = () => {};
  pins.openLink = () => undefined;
  calls = [];
  loaded = 0;
  whileLoading = () => {};
  vi.spyOn(Balancer, 'load').mockImplementation(async () => {
    whileLoading();
    return fakeBalancer(++loaded) as unknown as Balancer;
  });
});
afterEach(() => {
  driver?.close();
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

/** Attaching fails while this is set. */
let busy = false;
let driver: XdpDriver | undefined;

function fakeBalancer(number: number) {
  const call = (name: string) => calls.push(`${number} ${name}`);
  let ifindex = 0;
  const link = {
    info: () => ({ ifindex, programId: number }),
    pinReplacing: (path: string) => writeFileSync(path, ''),
    update: () => call('takes over'),
    detach: () => {
      ifindex = 0;
      call('is detached');
    },
    close: () => {},
  };
  return {
    program: {
      attachXdp: () => {
        if (busy) throw new Error('busy');
        ifindex = 7;
        call('is attached');
        return link;
      },
    },
    map: () => ({ info: { maxEntries: 64 } }),
    setSettings: ({ mtu }: { mtu?: number }) => {
      if (mtu !== undefined) call(`sends ${mtu} octets`);
    },
    reals: () => [],
    noteIncarnation: () => call('is filled'),
    zeroVipCounters: () => call('begins at zero'),
    copyCounters: () => {
      call('copies counters');
      return () => call('finishes counters');
    },
    pin: (path: string) => mkdirSync(path, { recursive: true }),
    close: () => call('is closed'),
  };
}

function open(): XdpDriver {
  driver = new XdpDriver({
    interface: { name: 'eth0', index: 7, xdpMode: null },
    mode: 'native',
    pins,
    settings: {},
    sources: { source4: null, source6: null },
    flowsPerCpu: 4,
    watchMs: 60_000,
    log: pino({ level: 'silent' }),
  });
  return driver;
}

describe('the XDP driver', () => {
  it('has no capacity before there are tables', async () => {
    const xdp = open();
    expect([xdp.capacity(), xdp.read(NEED.desired)]).toEqual([null, NO_TABLES]);
    await xdp.install(NEED, OPERATIONS);
    expect(xdp.capacity()).toEqual({ vips: 64, pools: 8, reals: 64 });
  });

  it('lets new tables take over when they are filled and pinned, and then the rest of the counts', async () => {
    const xdp = open();
    await xdp.install(NEED, OPERATIONS);
    xdp.attach();
    expect(calls).toEqual(['1 is filled', '1 begins at zero', '1 is attached']);
    calls = [];
    await xdp.install(NEED, OPERATIONS);
    expect(calls).toEqual([
      '2 is filled',
      '2 copies counters',
      '2 begins at zero',
      '1 takes over',
      '2 finishes counters',
      '1 is closed',
    ]);
    expect(readdirSync(folder).sort()).toEqual(['g2', 'link']);
  });

  it('takes another MTU at once, and into new tables, also while they are loaded', async () => {
    const xdp = open();
    await xdp.install(NEED, OPERATIONS);
    calls = [];
    xdp.useSettings({ mtu: 1400 });
    expect(calls.splice(0)).toEqual(['1 sends 1400 octets']);
    whileLoading = () => xdp.useSettings({ mtu: 1300 });
    await xdp.install(NEED, OPERATIONS);
    expect(calls.slice(0, 3)).toEqual([
      '1 sends 1300 octets',
      '2 sends 1300 octets',
      '2 is filled',
    ]);
  });

  it('leaves nothing behind where the interface is busy', async () => {
    busy = true;
    try {
      await expect(open().install(NEED, OPERATIONS)).rejects.toThrow('busy');
    } finally {
      busy = false;
    }
    expect(readdirSync(folder)).toEqual([]);
    expect(calls.at(-1)).toBe('1 is closed');
  });

  it('puts nothing back that was taken away, not even while it loads', async () => {
    const xdp = open();
    await xdp.install(NEED, OPERATIONS);
    xdp.attach();
    whileLoading = () => rmSync(folder, { recursive: true });
    await expect(xdp.install(NEED, OPERATIONS)).rejects.toMatchObject({ code: 'PIN_INVALID' });
    expect(existsSync(folder)).toBe(false);
    whileLoading = () => {
      throw new Error('loaded');
    };
    await expect(xdp.install(NEED, OPERATIONS)).rejects.toMatchObject({ code: 'PIN_INVALID' });
  });

  it('detaches after a start that failed what only it had attached', async () => {
    const xdp = open();
    await xdp.install(NEED, OPERATIONS);
    xdp.abandon();
    expect(calls.slice(-2)).toEqual(['1 is detached', '1 is closed']);
  });
});
