// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bootAndPins, machineAndPins, placeOf } from './machine.js';

const ID = '0123456789abcdef0123456789abcdef';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-machine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function of(text: string, pins = '/sys/fs/bpf/a'): string | undefined {
  const file = join(folder, 'machine-id');
  writeFileSync(file, text);
  return machineAndPins(pins, file);
}

it('is the same for one machine and pin folder, another for another, and not the ID itself', () => {
  const one = of(`${ID}\n`);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(one).not.toContain(ID);
  expect(of(ID)).toBe(one);
  expect(of(`${ID}\n`, '/sys/fs/bpf/b')).not.toBe(one);
  expect(of(`${ID.slice(1)}0\n`)).not.toBe(one);
});

it('is not known where the machine has no ID, or none yet', () => {
  // As in containers, in images, and before the first boot is over: machine-id(5).
  for (const none of ['', '\n', 'uninitialized\n', `${ID}0\n`]) expect(of(none)).toBeUndefined();
  expect(machineAndPins('/sys/fs/bpf/a', join(folder, 'missing'))).toBeUndefined();
});

it('a pin folder of this boot is known, before it is made too, and apart from another file system', () => {
  const id = '01234567-89ab-cdef-0123-456789abcdef';
  const at = (pins: string, text = `${id}\n`) => {
    const file = join(folder, 'boot-id');
    writeFileSync(file, text);
    return bootAndPins(pins, file);
  };
  const pins = join(folder, 'pins', 'lb');
  const before = at(pins);
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  mkdirSync(pins, { recursive: true });
  expect(at(pins)).toBe(before);
  expect(at(join(folder, 'other'))).not.toBe(before);
  expect(at(pins, `1${id.slice(1)}\n`)).not.toBe(before);
  expect(at(pins, 'no UUID\n')).toBeUndefined();

  // The same path on two file systems, as containers have them: a link follows to the other.
  const link = join(folder, 'sys');
  symlinkSync(folder, link);
  const here = at(link);
  rmSync(link);
  symlinkSync('/proc', link);
  expect(at(link)).not.toBe(here);
});

it('both are told of the folder', () => {
  expect(placeOf(folder).boot).toBe(bootAndPins(folder));
  expect(placeOf(folder).machine).toBe(machineAndPins(folder));
});
