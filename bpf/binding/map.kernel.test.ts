// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CidecarError } from '../../core/errors.js';
import type { BpfMap } from './map.js';
import type { BpfObject } from './object.js';
import { possibleCpus } from './system.js';
import { frame, loadFixture } from './testing/fixture.js';

let object: BpfObject;
const maps: BpfMap[] = [];

function map(name: string): BpfMap {
  const handle = object.map(name);
  maps.push(handle);
  return handle;
}

const octets = (size: number, fill: number) => new Uint8Array(size).fill(fill);
const key64 = (key: number) => new Uint8Array(BigUint64Array.of(BigInt(key)).buffer);
const uint32s = (...words: number[]) => new Uint8Array(Uint32Array.from(words).buffer);

beforeAll(async () => {
  object = await loadFixture({ mapSizes: { plain: 2500 } });
});
afterAll(() => {
  for (const handle of maps) handle.close();
  object.close();
});

describe('info', () => {
  test('is what the kernel says of each kind', () => {
    expect(map('plain').info).toMatchObject({
      name: 'plain',
      kind: 'array',
      keySize: 4,
      valueSize: 12,
      maxEntries: 2500,
      flags: 0,
    });
    expect(map('per_cpu').info).toMatchObject({ kind: 'percpu_array', valueSize: 12 });
    expect(map('table').info).toMatchObject({ kind: 'hash', keySize: 8, valueSize: 4 });
    expect(map('events').info).toMatchObject({ kind: 'ringbuf', maxEntries: 65536 });
    expect(map('.data.settings').info).toMatchObject({ kind: 'array', valueSize: 8 });
    expect(new Set(maps.map(({ info }) => info.id)).size).toBe(5);
  });
});

describe('an array', () => {
  test('reads what was written, by index and by octets', () => {
    const plain = map('plain');
    plain.update(7, octets(12, 0xaa));
    plain.update(uint32s(8), octets(12, 0xbb));
    expect(plain.lookup(uint32s(7))).toEqual(octets(12, 0xaa));
    expect(plain.lookup(8)).toEqual(octets(12, 0xbb));
    expect(plain.lookup(9)).toEqual(octets(12, 0));
    expect(plain.lookup(2500)).toBeUndefined();
  });

  test('refuses wrong sizes and indices before the kernel sees them', () => {
    const plain = map('plain');
    expect(() => plain.update(0, octets(11, 0))).toThrow(RangeError);
    expect(() => plain.update(0, octets(13, 0))).toThrow(RangeError);
    expect(() => plain.update(0, octets(0, 0))).toThrow(RangeError);
    expect(() => plain.update(2500, octets(12, 0))).toThrow(RangeError);
    expect(() => plain.update(uint32s(2500), octets(12, 0))).toThrow(RangeError);
    for (const index of [-1, 0.5, Number.NaN, 2 ** 32]) {
      expect(() => plain.lookup(index)).toThrow(RangeError);
    }
    expect(() => plain.lookup(octets(3, 0))).toThrow(RangeError);
    expect(() => plain.lookup(octets(5, 0))).toThrow(RangeError);
    expect(() => plain.lookup('0' as unknown as number)).toThrow(TypeError);
    expect(() => plain.update(0, new Uint16Array(6) as unknown as Uint8Array)).toThrow(TypeError);
  });

  test('takes a view into a larger buffer for what it is', () => {
    const plain = map('plain');
    const buffer = Uint8Array.from({ length: 64 }, (_, i) => i);
    plain.update(0, buffer.subarray(20, 32));
    expect(plain.lookup(0)).toEqual(buffer.slice(20, 32));
  });

  test('batches over more than one system call, and from the middle', () => {
    const plain = map('plain');
    const count = 2500;
    const keys = uint32s(...Array.from({ length: count }, (_, i) => i));
    const values = Uint8Array.from({ length: count * 12 }, (_, i) => (i * 7) % 251);
    plain.updateBatch(keys, values, count);
    expect(plain.lookupBatch(0, count)).toEqual(values);
    expect(plain.lookupBatch(1, 1100)).toEqual(values.slice(12, 12 * 1101));
    expect(plain.lookupBatch(2499, 1)).toEqual(values.slice(12 * 2499));
    expect(plain.lookupBatch(0, 0)).toEqual(octets(0, 0));
    expect(plain.lookup(1024)).toEqual(values.slice(12 * 1024, 12 * 1025));
  });

  test('refuses batches whose buffers do not fit', () => {
    const plain = map('plain');
    expect(() => plain.updateBatch(octets(8, 0), octets(23, 0), 2)).toThrow(RangeError);
    expect(() => plain.updateBatch(octets(7, 0), octets(24, 0), 2)).toThrow(RangeError);
    expect(() => plain.updateBatch(octets(8, 0), octets(24, 0), 3)).toThrow(RangeError);
    expect(() => plain.lookupBatch(0, 2501)).toThrow(RangeError);
    expect(() => plain.lookupBatch(2500, 1)).toThrow(RangeError);
  });

  test('says where a batch stopped', () => {
    const plain = map('plain');
    const failing = () => plain.updateBatch(uint32s(1, 2, 99_999), octets(36, 5), 3);
    expect(failing).toThrow(/element 2 of 3/);
    expect(plain.lookup(2)).toEqual(octets(12, 5));
  });
});

describe('a per-CPU array', () => {
  // The kernel copies round8(12) octets for each possible CPU, and not 12.
  const size = () => 16 * possibleCpus();

  test('has a value for each possible CPU, each rounded up to 8 octets', () => {
    const perCpu = map('per_cpu');
    expect(perCpu.lookup(0)).toHaveLength(size());
    const value = Uint8Array.from({ length: size() }, (_, i) => (i % 16 < 12 ? i + 1 : 0));
    perCpu.update(0, value);
    expect(perCpu.lookup(0)).toEqual(value);
    expect(() => perCpu.update(0, octets(12, 0))).toThrow(RangeError);
    expect(() => perCpu.update(0, octets(size() + 16, 0))).toThrow(RangeError);
  });

  test('is read and written in batches', () => {
    const perCpu = map('per_cpu');
    const values = Uint8Array.from({ length: 2 * size() }, (_, i) => (i % 16 < 12 ? i + 1 : 0));
    perCpu.updateBatch(uint32s(0, 1), values, 2);
    expect(perCpu.lookupBatch(0, 2)).toEqual(values);
    expect(perCpu.lookup(1)).toEqual(values.slice(size()));
  });
});

describe('a hash map', () => {
  test('does what a Map does', () => {
    const table = map('table');
    const key = fc.integer({ min: 0, max: 7 });
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), key, value: fc.nat(0xffffffff) }),
      fc.record({ do: fc.constant('delete' as const), key, value: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        for (const present of [...table.keys()]) table.delete(present);
        const model = new Map<number, number>();
        for (const { do: action, key, value } of steps) {
          if (action === 'set') {
            table.update(key64(key), uint32s(value));
            model.set(key, value);
          } else {
            expect(table.delete(key64(key))).toBe(model.delete(key));
          }
        }
        for (let key = 0; key < 8; key++) {
          const value = model.get(key);
          expect(table.lookup(key64(key))).toEqual(value === undefined ? value : uint32s(value));
        }
        expect([...table.keys()].map((octets) => octets[0]).sort()).toEqual(
          [...model.keys()].sort(),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('is full at some point, singly and in batches', () => {
    const table = map('table');
    const all = Array.from({ length: 9 }, (_, i) => i);
    const full = expect.objectContaining({ code: 'MAP_FULL' });
    for (const present of [...table.keys()]) table.delete(present);
    for (const key of all.slice(0, 8)) table.update(key64(key), uint32s(key));
    expect(caught(() => table.update(key64(8), uint32s(8)))).toEqual(full);
    const keys = Buffer.concat(all.map((key) => key64(key + 100)));
    expect(caught(() => table.updateBatch(keys, octets(36, 1), 9))).toEqual(full);
  });

  test('has no number for a key of eight octets', () => {
    expect(() => map('table').lookup(1)).toThrow(RangeError);
    expect(() => map('table').lookupBatch(0, 1)).toThrow(TypeError);
    expect(() => map('table').mmap()).toThrow(TypeError);
  });
});

describe('mmap', () => {
  test('shares the values with the program, both ways', () => {
    const program = object.program('touch');
    const view = map('shared_values').mmap();
    expect(view).toHaveLength(3000 * 8);
    const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4);
    for (const word of [14, 1000, 0]) {
      words[0] = word;
      program.testRun({ data: frame() });
      expect(words[2]).toBe(3 * word);
    }
    map('shared_values').update(2999, uint32s(77));
    expect(words[2 * 2999]).toBe(77);
    program.close();
  });

  test('sets a data section in place', () => {
    const program = object.program('touch');
    const settings = map('.data.settings').mmap();
    expect([...settings]).toEqual([2, 0, 0, 0, 7, 0, 0, 0]);
    settings[0] = 1;
    expect(program.testRun({ data: frame() }).retval).toBe(1);
    settings[0] = 2;
    expect(program.testRun({ data: frame() }).retval).toBe(2);
    program.close();
  });

  test('gives no view of what cannot be written', () => {
    expect(() => map('.rodata').mmap()).toThrow(/read-only/);
    expect(() => map('plain').mmap()).toThrow(/BPF_F_MMAPABLE/);
  });

  test('outlives the handle', () => {
    const handle = object.map('shared_values');
    const view = handle.mmap();
    handle.close();
    view[8 * 5] = 9;
    expect(map('shared_values').lookup(5)).toEqual(uint32s(9));
  });
});

test('a closed handle throws, and closes again', () => {
  const handle = object.map('plain');
  handle.close();
  handle.close();
  for (const use of [
    () => handle.lookup(0),
    () => handle.update(0, octets(12, 0)),
    () => handle.delete(0),
    () => handle.updateBatch(octets(4, 0), octets(12, 0), 1),
    () => handle.lookupBatch(0, 1),
    () => handle.mmap(),
    () => [...handle.keys()],
  ]) {
    expect(use).toThrow('map plain is closed');
  }
  expect(map('plain').lookup(0)).toBeDefined();
});

test('what the kernel refuses names the call and the errno', () => {
  expect(caught(() => map('plain').delete(0))).toMatchObject({
    code: 'KERNEL_CALL_FAILED',
    errno: 22,
    message: expect.stringContaining('bpf_map_delete_elem'),
  });
});

function caught(call: () => unknown): CidecarError {
  try {
    call();
  } catch (error) {
    if (error instanceof CidecarError) return error;
    throw error;
  }
  throw new Error('it did not throw');
}
