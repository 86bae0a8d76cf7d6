// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { circlesOf } from './circles.js';
import { filesOf, importsOf, textOf } from './sources.js';

describe('imports', () => {
  it('go round in no circle, types included', () => {
    const files = filesOf().filter((path) => path.endsWith('.ts'));
    const graph = new Map(files.map((path) => [path, importsOf(path, textOf(path))]));
    expect(graph.size).toBeGreaterThan(300);
    expect([...graph.values()].flat().length).toBeGreaterThan(1000);
    expect(circlesOf(graph).map((circle) => circle.join(' -> '))).toEqual([]);
  });
});

describe('importsOf', () => {
  it.each([
    ["import { a } from './b.js';", ['x/b.ts']],
    ["import type { A } from '../y/b.js';", ['y/b.ts']],
    ["import {\n  a,\n  type B,\n} from './b.js';", ['x/b.ts']],
    ["export * from './b.js';", ['x/b.ts']],
    ["export { a } from './b.js';", ['x/b.ts']],
    ["import './b.js';", ['x/b.ts']],
    ["const b = await import('./b.js');", ['x/b.ts']],
    ["import { join } from 'node:path';", []],
  ])('%j', (text, expected) => {
    expect(importsOf('x/a.ts', text)).toEqual(expected);
  });
});

describe('circlesOf', () => {
  it('names the files of a circle, wherever it is entered', () => {
    const graph = new Map([
      ['main', ['a']],
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', ['a']],
      ['d', []],
    ]);
    expect(circlesOf(graph)).toEqual([['a', 'b', 'c', 'a']]);
  });

  it('finds a file that imports itself, and two circles through one file', () => {
    expect(circlesOf(new Map([['a', ['a']]]))).toEqual([['a', 'a']]);
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['a']],
      ['c', ['a']],
    ]);
    expect(circlesOf(graph)).toHaveLength(2);
  });

  it('takes two ways to one file for no circle', () => {
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d']],
      ['d', []],
    ]);
    expect(circlesOf(graph)).toEqual([]);
  });
});
