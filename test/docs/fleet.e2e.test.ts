// SPDX-License-Identifier: Apache-2.0
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inNamespace, ipBatch, tryRun } from '../netns/command.js';
import { nodeArgv, PACKAGE_ROOT } from '../netns/process.js';
import { leftovers, Scope } from '../netns/scope.js';

let scope: Scope;
beforeEach(() => {
  scope = new Scope('cdcwalk');
});
afterEach(() => scope.dispose());

/** The commands of a section of a page. */
function commandsOf(page: string, section: string): string[] {
  const [, text = ''] = page.split(`\n## ${section}\n`);
  const own = text.split('\n## ')[0] ?? '';
  return [...own.matchAll(/^```sh\n(.*?)^```\n/gms)].map(([, commands = '']) => commands);
}

test('the walk through a fleet in the README works as it is written', async () => {
  const [host = '', peer = ''] = await scope.addNamespaces(['host', 'peer']);
  await ipBatch(host, [
    'link set lo up',
    `link add eth0 type veth peer name eth0 netns ${peer}`,
    'addr add 10.0.1.1/24 dev eth0',
    'link set eth0 up',
  ]);
  await ipBatch(peer, ['link set eth0 up']);
  // The programs as an operator has them; the agent with folders of this test.
  const own = [
    ...['--pin-dir', scope.pinFolder('lb')],
    ...['--state-dir', scope.path('lb', 'state'), '--source', '10.0.1.1'],
  ];
  const programs = {
    cidctl: nodeArgv('cidctl/main'),
    'cid-sidecar': nodeArgv('sidecar/main'),
    'lb-agent': nodeArgv('lb-agent/main'),
  };
  for (const [name, argv] of Object.entries(programs)) {
    const path = scope.path('bin', name);
    const more = name === 'lb-agent' ? own.join(' ') : '';
    writeFileSync(path, `#!/bin/sh\nexec ${argv.join(' ')} "$@" ${more}\n`);
    chmodSync(path, 0o755);
  }
  const commands = commandsOf(readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8'), 'A fleet');
  expect(commands.length).toBe(3);
  const walk = scope.path('walk');
  const output = scope.path('output');
  const script = [
    `exec >${output} 2>&1`,
    `export PATH=${scope.path('bin', '.')}:$PATH`,
    `cd ${scope.folder}`,
    // What the walk leaves running ends with it.
    "trap 'kill $(jobs -p)' EXIT",
    ...commands,
  ].join('\n');
  writeFileSync(walk, script);
  const { code } = await tryRun(
    inNamespace(host, ['timeout', '240', 'bash', '-euo', 'pipefail', walk]),
  );
  const said = readFileSync(output, 'utf8');
  expect(code, said).toBe(0);
  expect(said).toContain(
    'server web-1: all balancers acknowledged it, and sent it no packet for 5 s',
  );
  expect(said).toMatch(/ drain: server web-1 of pool web: active -> draining\n/);
  expect(said).toMatch(/ rotate: asks for a rotation\n/);
  await scope.dispose();
  rmSync(scope.folder, { recursive: true, force: true });
  expect(leftovers(scope.name)).toEqual([]);
});
