// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { machineAndPins } from './machine.js';

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
