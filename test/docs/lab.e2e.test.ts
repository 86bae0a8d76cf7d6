// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tryRun } from '../netns/command.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { leftovers, Scope } from '../netns/scope.js';

const HOSTS = ['client', 'router', 'lb-1', 'lb-2', 'web-1', 'web-2'];

/** Commands of a page, and what it says they print, if anything. */
interface Step {
  readonly commands: string;
  readonly printed: string | undefined;
}

function stepsOf(page: string): Step[] {
  return [...page.matchAll(/^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gms)].map(
    ([, commands = '', printed]) => ({ commands, printed }),
  );
}

/** Three dots stand for the rest of a word: a path before them, or a revision. */
function expected(printed: string) {
  if (!printed.includes('...')) return printed;
  const parts = printed.split('...').map((part) => part.replaceAll('.', '\\.'));
  return expect.stringMatching(new RegExp(`^${parts.join('\\S+')}$`));
}

let scope: Scope;
beforeEach(() => {
  scope = new Scope('cdclab');
  scope.adoptNamespaces(HOSTS.map((host) => `${scope.name}-${host}`));
});
afterEach(async () => {
  await scope.dispose();
  for (const host of ['lb-1', 'lb-2']) {
    rmSync(`/run/cidecar/sys-fs-bpf-${scope.name}-${host}`, { recursive: true, force: true });
  }
});

test('docs/lab.md works as it is written, and leaves nothing behind', async () => {
  const lab = dirname(scope.path('lab', 'file'));
  // The page's names are for one person at a time; a test that was killed must not be in the way.
  const page = readFileSync(join(PACKAGE_ROOT, 'docs/lab.md'), 'utf8')
    .replaceAll(/\blab-(?=\$|[a-z]+)/g, `${scope.name}-`)
    .replaceAll('$(mktemp -d)', lab);
  const steps = stepsOf(page);
  expect(steps.length).toBeGreaterThan(10);
  const output = (at: number) => scope.path('output', String(at));
  const script = steps.map(({ commands }, at) => `{\n${commands}} >${output(at)}\n`).join('');
  // Not a pipe, which daemons of a script that failed would hold open.
  const errors = output(steps.length);
  const whole = `exec 2>${errors}\ncd ${PACKAGE_ROOT}\n${script}`;
  const { code } = await tryRun(['timeout', '200', 'bash', '-euo', 'pipefail', '-c', whole]);
  expect([code, readFileSync(errors, 'utf8')]).toEqual([0, '']);

  for (const [at, { printed }] of steps.entries()) {
    if (printed === undefined) continue;
    expect(readFileSync(output(at), 'utf8'), steps[at]?.commands).toEqual(expected(printed));
  }
  expect(steps.filter(({ printed }) => printed !== undefined).length).toBeGreaterThan(3);
  expect(leftovers(scope.name)).toEqual([scope.folder]);
  expect(existsSync(lab)).toBe(false);
});
