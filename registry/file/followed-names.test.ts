// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { namesToFollow } from './followed-names.js';

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'cdc-names-')));
  for (const folder of ['etc', 'secrets/v1']) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'etc/document'), '');
  writeFileSync(join(root, 'secrets/v1/0.key'), '');
});

afterEach(() => rmSync(root, { recursive: true }));

/** Without the names of the folders themselves. */
async function follow(...files: string[]) {
  const found = await namesToFollow(files.map((file) => join(root, file)));
  return Object.fromEntries(
    [...found].map(([folder, names]) => [
      relative(root, folder),
      [...names].filter((name) => !folder.endsWith(`/${name}`)).sort(),
    ]),
  );
}

it('follows the name of a file in its folder alone', async () => {
  expect(await follow('etc/document')).toEqual({ etc: ['document'] });
  expect(await follow('etc/document', 'etc/../etc/./other')).toEqual({
    etc: ['document', 'other'],
  });
});

it('follows each link on the way', async () => {
  symlinkSync('../secrets/current', join(root, 'etc/keys'));
  symlinkSync(join(root, 'secrets/v1'), join(root, 'secrets/current'));
  expect(await follow('etc/keys/0.key')).toEqual({
    etc: ['keys'],
    secrets: ['current', 'v1'],
    'secrets/v1': ['0.key'],
  });
});

it('follows what is missing where it would be', async () => {
  expect(await follow('etc/none')).toEqual({ etc: ['none'] });
  expect(await follow('etc/keys/0.key')).toEqual({ etc: ['keys'] });
});

it('ends on links that go round', async () => {
  symlinkSync('b', join(root, 'etc/a'));
  symlinkSync('a', join(root, 'etc/b'));
  expect(await follow('etc/a')).toEqual({ etc: ['a', 'b'] });
});
