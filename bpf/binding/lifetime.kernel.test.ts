// SPDX-License-Identifier: Apache-2.0
// What remains of handles that are closed or lost: no descriptors, no mappings, no workers.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BpfObject } from './object.js';
import { addonPath, objectPath } from './package-root.js';
import { RingBuffer } from './ring-buffer.js';
import { frame, loadFixture, VethPair } from './testing/fixture.js';

let object: BpfObject;
beforeEach(async () => {
  object = await loadFixture();
});
afterEach(() => object.close());

const descriptors = () => readdirSync('/proc/self/fd').length;
const mappings = () =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('bpf-map') || line.includes('bpf_map')).length;

/** Collects garbage until `done` holds; finalisers run some turns after the collection. */
async function collectUntil(done: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 200 && !done(); turn++) {
    gc();
    await setImmediate();
  }
}

test('closed handles leave no descriptor', async () => {
  const veth = new VethPair();
  const program = object.program('touch');
  const before = descriptors();
  for (let i = 0; i < 1000; i++) {
    const map = object.map('events');
    const other = object.program('drop');
    if (i % 100 === 0) {
      program.attachXdp(veth.ifindex, 'native').close();
      new RingBuffer(map, () => {}).close();
    }
    map.close();
    other.close();
    expect(() => object.map('nobody')).toThrow();
  }
  program.testRun({ data: frame() });
  await setImmediate();
  expect(descriptors()).toBe(before);
  program.close();
  veth.close();
});

test('handles that were not closed are collected', async () => {
  const before = descriptors();
  (() => {
    for (let i = 0; i < 100; i++) object.map('plain');
  })();
  await collectUntil(() => descriptors() <= before);
  expect(descriptors()).toBe(before);
});

test('a mapping lives as long as a view of it', async () => {
  const before = mappings();
  const map = object.map('shared_values');
  let word: Uint32Array | undefined = (() => {
    const views = Array.from({ length: 20 }, () => map.mmap());
    const kept = views[7] as Uint8Array;
    return new Uint32Array(kept.buffer, 0, 1);
  })();
  map.close();
  expect(mappings()).toBe(before + 20);
  await collectUntil(() => mappings() <= before + 1);
  expect(mappings()).toBe(before + 1);
  word[0] = 5;
  expect(word[0]).toBe(5);
  word = undefined;
  await collectUntil(() => mappings() <= before);
  expect(mappings()).toBe(before);
});

test('a mapping ends without garbage collection, and every view with it', async () => {
  const before = mappings();
  const map = object.map('shared_values');
  const other = map.mmap();
  const view = map.mmap();
  const word = new Uint32Array(view.buffer, 0, 1);
  word[0] = 7;
  expect(() => map.unmap(view.subarray(1))).toThrow(RangeError);
  expect(mappings()).toBe(before + 2);
  map.unmap(view);
  await setImmediate();
  expect(mappings()).toBe(before + 1);
  expect([view.length, word[0]]).toEqual([0, undefined]);
  expect(() => Atomics.load(word, 0)).toThrow();
  expect(other[0]).toBe(7);
  map.unmap(other);
  map.close();
  await setImmediate();
  expect(mappings()).toBe(before);
});

test('a failed load leaves no descriptor', async () => {
  const attempt = () => BpfObject.load(objectPath('binding_rejected')).catch(() => 'refused');
  expect(await attempt()).toBe('refused');
  const before = descriptors();
  for (let i = 0; i < 20; i++) await attempt();
  expect(descriptors()).toBe(before);
});

test('a worker ends with a ring buffer open and a load under way', async () => {
  const script = `
    const { workerData, parentPort } = require('node:worker_threads');
    const native = require(workerData.addon);
    native.load(workerData.object, [], [], 0, undefined).then((object) => {
      globalThis.ring = new native.RingBuffer(object.map('events'), () => {});
      native.load(workerData.object, [], [], 0, undefined);
      parentPort.postMessage('open');
    });`;
  const worker = new Worker(script, {
    eval: true,
    workerData: { addon: addonPath(), object: objectPath('binding_maps') },
  });
  expect(await once(worker, 'message')).toEqual(['open']);
  await worker.terminate();
  expect(object.programs()).toHaveLength(3);
});
