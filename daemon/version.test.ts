// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildInfo, versionText } from './version.js';

let root: string;
const commit = '0123456789abcdef0123456789abcdef01234567';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cdc'));
  writeFileSync(join(root, 'package.json'), '{"version":"1.2.3"}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('is that of package.json alone where there is no checkout', () => {
  expect(buildInfo(root)).toEqual({ version: '1.2.3', commit: '' });
  expect(versionText(buildInfo(root))).toBe('1.2.3');
});

it.each([
  ['a detached head', { HEAD: `${commit}\n` }],
  ['a branch', { HEAD: 'ref: refs/heads/main\n', 'refs/heads/main': `${commit}\n` }],
  [
    'a packed branch',
    { HEAD: 'ref: refs/heads/main\n', 'packed-refs': `# pack-refs\n${commit} refs/heads/main\n` },
  ],
])('has the commit of %s', (_what, files) => {
  mkdirSync(join(root, '.git/refs/heads'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, '.git', name), text);
  expect(buildInfo(root)).toEqual({ version: '1.2.3', commit });
  expect(versionText(buildInfo(root))).toBe('1.2.3 (0123456789ab)');
});

it('is found from this file', () => {
  expect(buildInfo().version).toMatch(/^\d+\.\d+\.\d+/);
});
