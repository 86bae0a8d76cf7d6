// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { filesOf, isProduct, textOf } from './sources.js';

/** Node's recursive mkdir, which never returns where a folder cannot hold others. */
const RECURSIVE_MKDIR = /\bmkdir(?:Sync)?\([^;]*?\brecursive:/;

it('the product makes folders by makeFolders alone', () => {
  const files = filesOf().filter((path) => isProduct(path) && path.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(150);
  expect(files.filter((path) => RECURSIVE_MKDIR.test(textOf(path)))).toEqual([]);
});

it('knows a recursive mkdir', () => {
  expect(RECURSIVE_MKDIR.test('await mkdir(dirname(path), { recursive: true });')).toBe(true);
  expect(RECURSIVE_MKDIR.test('mkdirSync(path, {\n  mode: 0o700,\n  recursive: x,\n})')).toBe(true);
  expect(RECURSIVE_MKDIR.test('mkdirSync(path);\nrmSync(path, { recursive: true });')).toBe(false);
});
