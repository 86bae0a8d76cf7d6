// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { prettyLine } from './pretty-log.js';

const common = { level: 'warn', time: '2026-01-02T03:04:05.678Z', program: 'lb-agent' };
const pretty = (more: object) => prettyLine(JSON.stringify({ ...common, ...more }));
const BEGIN = '2026-01-02T03:04:05.678Z warn  ';

it('has what a line is about after its message', () => {
  expect(pretty({ msg: 'withdrawing', reason: 'the agent stops', after: 3, of: ['a'] })).toBe(
    `${BEGIN}withdrawing reason="the agent stops" after=3 of=["a"]\n`,
  );
  expect(pretty({ msg: 'ready', interface: 'eth0', empty: '' })).toBe(
    `${BEGIN}ready interface=eth0 empty=""\n`,
  );
});

it('has an error below, with its stack where it is a bug', () => {
  expect(
    pretty({ msg: 'failed', error: { code: 'MAP_FULL', text: 'full (MAP_FULL). Wait.' } }),
  ).toBe(`${BEGIN}failed\n    full (MAP_FULL). Wait.\n`);
  expect(pretty({ msg: 'failed', error: { text: 'x', stack: 'x\n  at y' } })).toBe(
    `${BEGIN}failed\n    x\n      at y\n`,
  );
});

it('one line of the log is one line, whatever a field holds', () => {
  expect(pretty({ msg: 'refused', by: 'a\n2026-01-02 error forged' })).toBe(
    `${BEGIN}refused by="a\\n2026-01-02 error forged"\n`,
  );
});

it('leaves what is no line of the log as it is', () => {
  expect(prettyLine('no JSON\n')).toBe('no JSON\n');
});
