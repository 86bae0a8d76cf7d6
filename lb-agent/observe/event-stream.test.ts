// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it, vi } from 'vitest';
import { type Balancer, DEFAULT_SETTINGS } from '../../bpf/tables/index.js';
import type { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { EventStream } from './event-stream.js';

const rings: { close: ReturnType<typeof vi.fn> }[] = [];
vi.mock('../../bpf/index.js', () => ({
  RingBuffer: class {
    readonly close = vi.fn();
    constructor() {
      rings.push(this);
    }
  },
}));

/** Tables of one program, of whose sampled packets so many were lost. */
function tables(id: number, lost = 0) {
  const state = { lost, settings: { ...DEFAULT_SETTINGS } };
  const balancer = {
    program: { info: { id } },
    get settings() {
      return state.settings;
    },
    setSettings: vi.fn((change: object) => {
      state.settings = { ...state.settings, ...change };
    }),
    counters: () => ({ vips: new Map([[1, { event_lost: { packets: state.lost, octets: 0 } }]]) }),
    map: () => ({}),
    close: vi.fn(),
  };
  return { state, balancer };
}

let inForce: ReturnType<typeof tables>;
let stream: EventStream;
beforeEach(() => {
  rings.length = 0;
  inForce = tables(1);
  const open = () => inForce.balancer as unknown as Balancer;
  const link = () => ({ programId: inForce.balancer.program.info.id });
  const attached = { link, open, find: open } as unknown as AttachedTables;
  stream = new EventStream(attached, { sampleEvery: 10, eventsPerSecond: 50 }, () => {});
});

it('reads two sets of tables for a while after a switch, and counts what both lost once', () => {
  const first = inForce;
  first.state.lost = 3;
  inForce = tables(2, 100);
  stream.check();
  inForce.state.lost = 104;
  expect(stream.lost).toBe(3 + 4);
  expect(first.balancer.close).not.toHaveBeenCalled();
  stream.check();
  expect(first.balancer.close).toHaveBeenCalledOnce();
  expect(first.state.settings.sampleEvery).toBe(0);
  stream.close();
  expect(first.balancer.close).toHaveBeenCalledOnce();
  expect(inForce.state.settings.sampleEvery).toBe(0);
});

it('stays with its tables where it cannot follow a switch', () => {
  const first = inForce;
  first.state.lost = 3;
  inForce = tables(2);
  inForce.balancer.setSettings.mockImplementationOnce(() => {
    throw new Error('no');
  });
  expect(() => stream.check()).toThrow('no');
  expect(inForce.balancer.close).toHaveBeenCalledOnce();
  expect(rings[1]?.close).toHaveBeenCalledOnce();
  expect(stream.lost).toBe(3);
  expect(stream.balancer).toBe(first.balancer);
  stream.close();
  expect(first.balancer.close).toHaveBeenCalledOnce();
});

it('closes nothing twice where closing fails', () => {
  const first = inForce;
  inForce = tables(2);
  stream.check();
  first.balancer.close.mockImplementationOnce(() => {
    throw new Error('no');
  });
  expect(() => stream.check()).toThrow('no');
  stream.close();
  expect(rings.map(({ close }) => close.mock.calls.length)).toEqual([1, 1]);
  expect(first.balancer.close).toHaveBeenCalledOnce();
  expect(inForce.balancer.close).toHaveBeenCalledOnce();
});

it('closes its ring buffer and tables though sampling cannot be turned off', () => {
  inForce.balancer.setSettings.mockImplementationOnce(() => {
    throw new Error('no');
  });
  expect(() => stream.close()).toThrow('no');
  expect(rings[0]?.close).toHaveBeenCalledOnce();
  expect(inForce.balancer.close).toHaveBeenCalledOnce();
});
