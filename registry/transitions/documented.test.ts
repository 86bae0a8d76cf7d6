// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SEVERITY_TEXT, TRANSITIONS } from './catalogue.js';
import { TransitionGuard } from './guard.js';
import { DOCUMENT, edited, stateOf } from './testing/documents.js';

/** The cells of the rows below a heading of a page. */
function rows(page: string, heading: string): string[][] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const section = text.split(/^(?=## )/m).find((part) => part.startsWith(`## ${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
}

it('docs/registry.md has every name, with its effect and what to do instead', () => {
  const [, ...table] = rows('registry.md', 'Changes that lose connections');
  expect(table.map(([name, effect, , instead]) => [name, effect, instead])).toEqual(
    Object.entries(TRANSITIONS).map(([name, { severity, instead }]) => [
      `\`${name}\``,
      SEVERITY_TEXT[severity],
      instead,
    ]),
  );
});

it('docs/bad-input.md has what a guard answers', async () => {
  const change = 'another key under the ID of a config that is minting';
  const [, answer] = rows('bad-input.md', 'The registry document').find(
    ([what]) => what === change,
  ) ?? [undefined, ''];
  const log = { warn: () => {}, info: () => {} };
  const guard = new TransitionGuard({ refuse: true, log });
  const after = stateOf(edited([/k0, resetKeyFile: r0/, 'other, resetKeyFile: new']));
  const refused = guard.check(stateOf(DOCUMENT), after);
  await expect(refused).rejects.toMatchObject({
    code: 'TRANSITION_REFUSED',
    message: answer?.replace(/ `TRANSITION_REFUSED`$/, '').replace(/[0-9a-f]{16}/, after.revision),
  });
});

it('a guard quotes three of what it refuses, and counts the others', async () => {
  const guard = new TransitionGuard({ refuse: true, log: { warn: () => {}, info: () => {} } });
  const after = stateOf(edited([/serverIds: [^}]*\}/g, 'serverIds: {}']));
  await expect(guard.check(stateOf(DOCUMENT), after)).rejects.toThrow(
    /(?:Instead: .*){3} And \d+ more\.$/,
  );
});
