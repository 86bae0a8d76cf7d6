// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { run } from './program.js';

const REGISTRY = ['--registry', 'etcd://127.0.0.1:1'];

it.each([
  [['--lengths', '3'], '--lengths must be two numbers: 3,8'],
  [['--id', '7'], '--id must be a number from 0 to 6'],
  [['--field', 'keyFile=a.key'], '--field keyFile cannot be given: a rotation chooses it'],
  [['--field', 'fast'], '--field must be NAME=VALUE, not "fast"'],
  [['--status', '--abort'], '--status and --abort exclude each other'],
  [['--pause', '--key'], '--key is for a new rotation, not for --pause'],
  [['--force', 'quarantine'], '--force needs --reason, which is recorded'],
  [
    ['--force', 'stage', '--reason', 'why'],
    '--force: the step must be one of mint, quarantine, remove, not "stage"',
  ],
])('rotate %j: %s', async (flags, message) => {
  const printed: string[] = [];
  const print = (line: string) => printed.push(line);
  const code = await run(['rotate', 'web', ...REGISTRY, ...flags], { out: print, err: print });
  expect(code).toBe(2);
  expect(printed.join('\n')).toContain(message);
});
