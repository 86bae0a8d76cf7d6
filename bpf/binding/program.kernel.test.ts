// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BpfObject } from './object.js';
import type { BpfProgram } from './program.js';
import { ifindex, possibleCpus } from './system.js';
import { frame, loadFixture, VethPair } from './testing/fixture.js';

let object: BpfObject;
let touch: BpfProgram;
let veth: VethPair;

beforeAll(async () => {
  object = await loadFixture();
  touch = object.program('touch');
  veth = new VethPair();
});
afterAll(() => {
  veth?.close();
  touch.close();
  object.close();
});

test('says what the kernel made of it', () => {
  expect(touch.info).toMatchObject({ name: 'touch', type: 6 });
  expect(touch.info.tag).toMatch(/^[0-9a-f]{16}$/);
  expect(touch.info.translatedOctets).toBeGreaterThan(0);
  expect(touch.info.verifiedInstructions).toBeGreaterThan(0);
  const used = ['shared_values', 'per_cpu', 'events', '.data.settings', '.rodata'].map((name) => {
    const map = object.map(name);
    map.close();
    return map.info.id;
  });
  expect([...touch.info.mapIds].sort()).toEqual(used.sort());
});

test('runs on a packet without returning it', () => {
  const result = touch.testRun({ data: new Uint8Array(100), dataOutSize: 0 });
  expect(result).toMatchObject({ retval: 2, data: new Uint8Array() });
});

test('refuses a name that the kernel would cut at a NUL', () => {
  expect(() => object.program('touch\0ed')).toThrow(TypeError);
  expect(() => ifindex('lo\0ng')).toThrow(TypeError);
});

test('runs on a packet, and gives it back', () => {
  const data = Uint8Array.from({ length: 100 }, (_, i) => i);
  const result = touch.testRun({ data });
  expect(result.retval).toBe(2);
  expect(result.data).toEqual(data);
  expect(result.durationNs).toBeGreaterThanOrEqual(0);
});

test('runs as often as asked, on the CPU asked for, and comes back from there', () => {
  const perCpu = object.map('per_cpu');
  for (let cpu = 0; cpu < possibleCpus(); cpu++) {
    // Runs that began again are counted twice.
    for (let interruptions = 1; interruptions > 0; ) {
      perCpu.update(1, new Uint8Array(16 * possibleCpus()));
      ({ interruptions } = touch.testRun({ data: frame(), repeat: 100, cpu }));
    }
    const counts = perCpu.lookup(1) ?? new Uint8Array();
    const seen = Array.from({ length: possibleCpus() }, (_, i) => counts[16 * i]);
    expect(seen).toEqual(Array.from({ length: possibleCpus() }, (_, i) => (i === cpu ? 100 : 0)));
  }
  perCpu.close();
  expect(() => touch.testRun({ data: frame(), cpu: 4095 })).toThrow(/CPU 4095/);
});

test('begins again when the kernel was interrupted', async () => {
  const { durationNs } = touch.testRun({ data: frame(), repeat: 1000 });
  // A quarter of a second: on a busy machine a longer run would be interrupted time and again.
  const repeat = Math.round(2.5e8 / Math.max(durationNs, 1));
  const data = Uint8Array.from({ length: 100 }, (_, i) => i);
  for (let interruptions = 0; interruptions === 0; ) {
    // Signals are blocked meanwhile; this one cannot be. It can also come too early or too late.
    const stopped = spawn('sh', [
      '-c',
      `sleep 0.05; kill -STOP ${process.pid}; kill -CONT ${process.pid}`,
    ]);
    const gone = once(stopped, 'exit');
    const result = touch.testRun({ data, repeat });
    expect(result).toMatchObject({ retval: 2, data });
    ({ interruptions } = result);
    await gone;
  }
});

test('sees the interface that it is told', () => {
  const program = object.program('interface');
  expect(program.testRun({ data: frame(), ingressIfindex: veth.ifindex }).retval).toBe(
    veth.ifindex,
  );
  program.close();
});

test('refuses a packet without an Ethernet header, or that does not fit', () => {
  for (const octets of [0, 13, 100_000]) {
    expect(() => touch.testRun({ data: frame(octets) })).toThrow(/bpf_prog_test_run_opts/);
  }
  expect(() => touch.testRun({ data: frame(60), dataOutSize: 59 })).toThrow(/No space left/);
});

test('a closed handle throws, and closes again', () => {
  const program = object.program('drop');
  program.close();
  program.close();
  expect(() => program.testRun({ data: frame() })).toThrow('program drop is closed');
  expect(() => program.attachXdp(veth.ifindex, 'generic')).toThrow('program drop is closed');
});
