// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { CidecarError } from '../core/index.js';
import { newProgram, runProgram } from './program.js';

/** Runs a program with one command that throws what it is given. */
async function run(args: string, thrown?: unknown) {
  const said = { out: '', err: '' };
  const output = {
    out: (line: string) => {
      said.out += `${line}\n`;
    },
    err: (line: string) => {
      said.err += `${line}\n`;
    },
  };
  const program = newProgram('tool', output);
  program
    .command('do')
    .requiredOption('--file <file>', 'a file')
    .action(async () => {
      if (thrown !== undefined) throw thrown;
    });
  return { code: await runProgram(program, args.split(' '), output), ...said };
}

it.each([
  ['do --file x --colour', /unknown option '--colour'/],
  ['do --file x --fil y', /unknown option '--fil'/],
  ['do', /required option '--file <file>' not specified/],
  ['do --file', /argument missing/],
  ['go', /unknown command 'go'/],
  ['do --file x more', /too many arguments/],
])('ends with 2 and a hint at --help for %j', async (args, text) => {
  const { code, out, err } = await run(args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(text);
  expect(err).toContain('--help');
});

it('ends with 0 for --help, and when the command is done', async () => {
  expect(await run('do --help')).toMatchObject({ code: 0, out: expect.stringContaining('--file') });
  expect(await run('do --file x')).toEqual({ code: 0, out: '', err: '' });
});

it('ends with 2 for bad input, 1 for what may pass, and says what it was', async () => {
  const bad = new CidecarError('DOCUMENT_INVALID', 'has no pools', { file: 'a.yaml', line: 3 });
  expect(await run('do --file x', bad)).toEqual({
    code: 2,
    out: '',
    err: `tool: ${bad.describe()}\n`,
  });
  const missing = new CidecarError('FILE_UNREADABLE', 'does not exist');
  expect(await run('do --file x', missing)).toMatchObject({ code: 1 });
});

it('ends with 1 and a stack for a bug', async () => {
  const { code, err } = await run('do --file x', new TypeError('oops'));
  expect(code).toBe(1);
  expect(err).toMatch(/TypeError: oops\n\s+at .*program\.test/);
});
