// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineCounter, parse } from 'yaml';
import { Findings } from './findings.js';
import { LineFinder } from './line-finder.js';
import { plainValuesOf } from './plain-values.js';
import { runAtOnce } from './steps.js';
import { nodesOf, type YamlFault } from './yaml-nodes.js';
import { type Tokens, tokensOf } from './yaml-tokens.js';

/** Reads YAML with nodes made in pieces of about so many values. */
function read(text: string, pieceWeight: number) {
  const lines = new LineCounter();
  const errors = new Findings<YamlFault>();
  const refuse = (message: string): never => {
    throw new Error(message);
  };
  let tokens: Tokens;
  try {
    tokens = runAtOnce(tokensOf(text, lines, refuse));
  } catch (error) {
    return { faults: [error] };
  }
  const nodes = runAtOnce(nodesOf(tokens, text.length, errors, pieceWeight));
  const faults = errors.kept.map(({ message }) => message);
  if (faults.length > 0) return { faults };
  const value = runAtOnce(plainValuesOf(nodes, errors));
  if (errors.kept.length > 0) return { faults: errors.kept.map(({ message }) => message) };
  const finder = new LineFinder(text, nodes, lines);
  return { value, lines: pathsOf(value).map((path) => finder.lineOf(path)) };
}

function hasEmptyName(value: unknown): boolean {
  return pathsOf(value).some((path) => path.includes(''));
}

function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null || path.length > 6) return [path];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return [path, ...inner];
}

const LIST = `list: # of all kinds
  - a
  - { b: 1, "c": [d, 'e', f: 1, ? g : 2], h, i: }
  # between
  -
    k:
      - 1
      - - 2
        - 3

      -
    &x l: *x
    m: {a, b: c,
      d: "two
        lines", } # after
  - >-
    folded
     text
  - [1, [2, 3], [], {}, !!str 4, *y, &z five]
  - ? complex
    : value
    ? other
long: &y {a: 1, b: 2, c: 3,
  d: 4,
  e: 5
  , f: 6}
plain: some words, in
  two lines
`.replace('*y, &z', '&z');

describe('nodes made piece by piece', () => {
  it.each([
    LIST,
    LIST.replaceAll('\n', '\r\n'),
    `- ${LIST.replaceAll('\n', '\n  ')}\n- x\n`,
    Array.from({ length: 300 }, (_, i) => `key${i}: value\n`).join(''),
    `{${Array.from({ length: 300 }, (_, i) => `key${i}: value`).join(',\n')}}`,
  ])('are those of the whole', (text) => {
    const whole = read(text, Number.POSITIVE_INFINITY);
    expect(whole.faults).toBeUndefined();
    for (const weight of [1, 2, 3, 5]) expect(read(text, weight)).toEqual(whole);
    expect(whole.value).toEqual(parse(text));
  });

  it('are those of the whole after any edit, or are refused as it is', { timeout: 300_000 }, () => {
    const fragment = fc.constantFrom(
      ...['- ', ', ', ',', ': ', '? ', '[', ']', '{', '}', '"', "'", '\n', '\n  ', '#', ' # c\n'],
      ...['&a ', '*a', '!!set ', '!x ', '\t', '|\n', '>\n', '---\n', '...\n', 'x', '~'],
    );
    const edit = fc.record({ at: fc.nat(LIST.length), remove: fc.nat(6), insert: fragment });
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 4 }),
        (edits, weight) => {
          const text = edits.reduce(
            (was, { at, remove, insert }) => was.slice(0, at) + insert + was.slice(at + remove),
            LIST,
          );
          const whole = read(text, Number.POSITIVE_INFINITY);
          const pieces = read(text, weight);
          if (whole.faults !== undefined) {
            // One slip can show as one fault more, or less, where a piece ends.
            expect(pieces.faults).toBeDefined();
            return;
          }
          expect(pieces.value).toEqual(whole.value);
          // A name that is empty stands at no place of its own.
          if (!hasEmptyName(whole.value)) expect(pieces.lines).toEqual(whole.lines);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

it('refuses a value that the library would leave out', () => {
  expect(read('? a\n- left out\n', 1).faults).toEqual([
    new Error('A value of a mapping must follow a colon'),
  ]);
});

it('reads a long text in double quotes as the library does, though by another way', () => {
  const part = fc.constantFrom(
    ' ',
    '\t',
    '\n',
    '\n\n',
    ' \n ',
    'ed793a',
    ',',
    '#',
    ': ',
    '- ',
    '`',
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 12 }),
      fc.constantFrom('', "'", '\\t', '\r'),
      (parts, odd) => {
        const text = `a: "${parts.join('')}${'ed793a '.repeat(200)}${odd}${parts.join('')}"\n`;
        const { value } = read(text.replaceAll('\n', '\n '), 1000);
        expect(value).toEqual(parse(text.replaceAll('\n', '\n ')));
      },
    ),
    { numRuns: 500 },
  );
});

it('reads no further than to so many pieces of YAML, and says where that was', () => {
  const lines = new LineCounter();
  const refuse = (message: string, offset: number): never => {
    throw new Error(`${lines.linePos(offset).line}: ${message}`);
  };
  const text = Array.from({ length: 100 }, (_, i) => `key${i}: value\n`).join('');
  expect(() => runAtOnce(tokensOf(text, lines, refuse, 500))).toThrow(
    /^72: is too long: 500 pieces of YAML end here/,
  );
});
