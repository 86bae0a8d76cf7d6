// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BpfObject } from './object.js';
import { objectPath } from './package-root.js';
import { frame, loadFixture } from './testing/fixture.js';

test('names its maps and programs, sections by their names', async () => {
  const object = await loadFixture();
  expect(object.maps().sort()).toEqual(
    ['.data.settings', '.rodata', 'events', 'per_cpu', 'plain', 'shared_values', 'table'].sort(),
  );
  expect(object.programs()).toEqual(['touch', 'drop', 'interface']);
  for (const name of object.maps()) object.map(name).close();
  object.close();
});

test('handles stay valid after it is closed', async () => {
  const object = await loadFixture();
  const map = object.map('plain');
  const program = object.program('drop');
  object.close();
  object.close();
  expect(() => object.maps()).toThrow(/is closed/);
  expect(() => object.map('plain')).toThrow(/is closed/);
  expect(map.lookup(0)).toHaveLength(12);
  expect(program.testRun({ data: frame() }).retval).toBe(1);
  map.close();
  program.close();
});

test('loads the programs named, and no other', async () => {
  const object = await loadFixture({ programs: ['drop'] });
  expect(object.programs()).toEqual(['drop']);
  expect(() => object.program('touch')).toThrow(/has no program touch/);
  object.close();
  await expect(loadFixture({ programs: ['drop', 'nobody'] })).rejects.toThrow(/not every program/);
});

test('says which name is not there', async () => {
  const object = await loadFixture();
  expect(() => object.map('nobody')).toThrow(/has no map nobody/);
  expect(() => object.program('nobody')).toThrow(/has no program nobody/);
  object.close();
  await expect(loadFixture({ mapSizes: { nobody: 1 } })).rejects.toThrow(/no map nobody/);
});

test('sizes maps, and uses those of another object', async () => {
  const first = await loadFixture({ mapSizes: { plain: 40, shared_values: 10 } });
  const plain = first.map('plain');
  expect(plain.info.maxEntries).toBe(40);
  const settings = first.map('.data.settings');
  settings.mmap()[0] = 1;

  const second = await loadFixture({ reuseMaps: { plain, '.data.settings': settings } });
  const same = second.map('plain');
  expect(same.info.id).toBe(plain.info.id);
  // The initial values of the second object must not be written over them.
  const program = second.program('touch');
  expect(program.testRun({ data: frame() }).retval).toBe(1);
  expect(program.info.mapIds).toContain(settings.info.id);
  for (const handle of [plain, settings, same, program, first, second]) handle.close();
});

test('refuses a map of another layout', async () => {
  const object = await loadFixture();
  const table = object.map('table');
  await expect(loadFixture({ reuseMaps: { plain: table } })).rejects.toMatchObject({
    code: 'PIN_INVALID',
    message: expect.stringContaining('map plain is of another type or size'),
  });
  table.close();
  object.close();
});

test('a rejected program carries the verifier log', async () => {
  await expect(BpfObject.load(objectPath('binding_rejected'))).rejects.toMatchObject({
    code: 'PROGRAM_REJECTED',
    message: expect.stringMatching(/rejected unchecked: .*outside of the packet/),
    log: expect.stringContaining('invalid access to packet'),
  });
});

test('the verifier log is there on success too, when asked for', async () => {
  const quiet = await loadFixture();
  expect(quiet.log).toBe('');
  const chatty = await loadFixture({ logLevel: 2, programs: ['drop'] });
  expect(chatty.log).toContain('BEGIN PROG LOAD LOG');
  quiet.close();
  chatty.close();
});

test('logs of loads side by side do not mix', async () => {
  const loads = Array.from({ length: 8 }, (_, i) =>
    i % 2 === 0
      ? loadFixture({ logLevel: 1, programs: ['drop'] })
      : BpfObject.load(objectPath('binding_rejected')),
  );
  for (const [i, outcome] of (await Promise.allSettled(loads)).entries()) {
    if (outcome.status === 'fulfilled') {
      expect(i % 2).toBe(0);
      expect(outcome.value.log).not.toContain('unchecked');
      outcome.value.close();
    } else {
      expect(i % 2).toBe(1);
      expect(outcome.reason.log).not.toContain("'drop'");
    }
  }
});

test('a file that is no object, or not there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cdc-binding-'));
  const path = join(folder, 'text.bpf.o');
  writeFileSync(path, 'not an ELF file');
  const failure = await BpfObject.load(path).catch((error: unknown) => error);
  // An error number of libbpf, which strerror does not know.
  expect(failure).toMatchObject({ code: 'FILE_UNREADABLE' });
  expect(String(failure)).not.toContain('Unknown error');
  await expect(BpfObject.load(join(folder, 'none.bpf.o'))).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining('No such file'),
  });
  rmSync(folder, { recursive: true });
});

test('an object that was not built says how to build it', () => {
  expect(() => objectPath('nobody')).toThrow(/npm run build:native/);
});
