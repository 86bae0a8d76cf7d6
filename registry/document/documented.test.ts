// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseDocument } from './document.js';

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = text('../../docs/registry.md');

it('the example of docs/registry.md is valid', () => {
  const example = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
  let keys = 0;
  const { state, warnings } = parseDocument(example, {
    file: 'example.yaml',
    readKeyFile: () => String(++keys).padStart(32, '0'),
  });
  expect(warnings).toEqual([]);
  expect(state.pools.map(({ name, servers }) => [name, servers.length])).toEqual([
    ['web', 3],
    ['dns', 1],
  ]);
});

it('every field of a document is in docs/registry.md', () => {
  // `const name = z.strictObject({ field: ...`, and fields of the objects below it.
  const fields = [...text('shape.ts').matchAll(/^ {2,4}([a-zA-Z]+): (?!\()/gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['error', 'code', 'pools'].includes(name));
  expect(fields).toContain('resetKeyFile');
  expect(fields).toContain('encapsulation');
  expect(fields.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
