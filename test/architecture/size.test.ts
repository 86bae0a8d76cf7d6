// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { filesOf, headOf, isProduct, textOf } from './sources.js';

const MOST_LINES = 300;

/** What a program writes; proto/gen, the other such place, is no source and not among the files. */
const GENERATED: readonly string[] = ['bpf/kernel/aes_tables.h'];

const CODE = /\.(ts|c|h|cc|proto)$/;

/** The sentence in a file's first comment that says why the file is long. */
const REASON = /\b(?:long|longer|lines)\b[^.]*\bbecause\b/i;

function isTooLong(text: string): boolean {
  return text.trimEnd().split('\n').length > MOST_LINES && !REASON.test(headOf(text));
}

it(`no file of the product has more than ${MOST_LINES} lines without a reason in its head`, () => {
  const files = filesOf().filter((path) => isProduct(path) && CODE.test(path));
  expect(files.length).toBeGreaterThan(200);
  const long = files.filter((path) => !GENERATED.includes(path) && isTooLong(textOf(path)));
  expect(long).toEqual([]);
});

it('knows a long file, and its reason', () => {
  const lines = 'x;\n'.repeat(MOST_LINES);
  const spdx = '// SPDX-License-Identifier: Apache-2.0\n';
  const head = '/**\n * Cases.\n * Long because each case has a row here.\n */\n';
  expect(isTooLong(spdx + 'x;\n'.repeat(MOST_LINES - 1))).toBe(false);
  expect(isTooLong(spdx + lines)).toBe(true);
  expect(isTooLong(spdx + head + lines)).toBe(false);
  // A reason further down would not be seen when the file is opened.
  expect(isTooLong(`${spdx}/** Cases. */\n${lines}${head}`)).toBe(true);
});
