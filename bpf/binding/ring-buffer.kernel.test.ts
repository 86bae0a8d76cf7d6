// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BpfMap } from './map.js';
import type { BpfObject } from './object.js';
import type { BpfProgram } from './program.js';
import { RingBuffer } from './ring-buffer.js';
import { frame, loadFixture } from './testing/fixture.js';

let object: BpfObject;
let touch: BpfProgram;
let events: BpfMap;

beforeAll(async () => {
  object = await loadFixture();
  touch = object.program('touch');
  events = object.map('events');
});
afterAll(() => {
  for (const handle of [touch, events, object]) handle.close();
});

/** The length of a frame, which the program reports in an event. */
const lengthIn = (event: Uint8Array) =>
  new DataView(event.buffer, event.byteOffset, event.byteLength).getUint32(0, true);

test('hands over all events of a wake-up in one call, in order', async () => {
  const seen: number[][] = [];
  const lengths = Array.from({ length: 500 }, (_, i) => 60 + i);
  await new Promise<void>((resolve) => {
    const ring = new RingBuffer(events, (batch) => {
      seen.push(batch.map(lengthIn));
      ring.close();
      ring.close();
      resolve();
    });
    for (const length of lengths) touch.testRun({ data: frame(length) });
  });
  expect(seen).toEqual([lengths]);
});

test('keeps events for the next reader, and is read while it fills', async () => {
  touch.testRun({ data: frame(60) });
  const seen: number[] = [];
  await new Promise<void>((resolve) => {
    const ring = new RingBuffer(events, (batch) => {
      seen.push(...batch.map(lengthIn));
      if (seen.length < 20) {
        touch.testRun({ data: frame(60 + seen.length) });
        return;
      }
      ring.close();
      resolve();
    });
  });
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => 60 + i));
});

test('reads on after the handle of the map is closed', async () => {
  const own = object.map('events');
  const seen = await new Promise<number[]>((resolve) => {
    const ring = new RingBuffer(own, (batch) => {
      ring.close();
      resolve(batch.map(lengthIn));
    });
    own.close();
    touch.testRun({ data: frame(77) });
  });
  expect(seen).toEqual([77]);
});

test('refuses what is no ring buffer', () => {
  const plain = object.map('plain');
  expect(() => new RingBuffer(plain, () => {})).toThrow(TypeError);
  plain.close();
  expect(() => new RingBuffer(plain, () => {})).toThrow(TypeError);
});
