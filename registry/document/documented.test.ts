// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { parseDocument } from './document.js';
import { builtInDocumentShape } from './shape.js';

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
  const schema = z.toJSONSchema(builtInDocumentShape, { io: 'input' });
  const fields = fieldsIn(schema).filter((name) => name !== 'pools');
  expect(fields).toContain('resetKeyFile');
  expect(fields).toContain('encapsulation');
  expect(fields).toContain('serverUseLength');
  expect(fields.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

/** Names of the fields of all mappings of a JSON schema. */
function fieldsIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([name, value]) => [
    ...(name === 'properties' ? Object.keys(value) : []),
    ...fieldsIn(value),
  ]);
}
