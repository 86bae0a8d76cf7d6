// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const REFUSED = [
  ['reconcile', '../drivers/xdp/driver.js'],
  ['reconcile', '../reachability/next-hops/next-hops.js'],
  ['reconcile', '../state/state-file.js'],
  ['reconcile', '../installation/pins.js'],
  ['reconcile', '../../bpf/tables/index.js'],
  ['reconcile/testing', '../../drivers/xdp/apply.js'],
  ['drivers/xdp', '../../state/state-file.js'],
  ['drivers/xdp', '../../reachability/next-hops/ip.js'],
  ['drivers/other', '../../installation/pins.js'],
  ['reachability/next-hops', '../../drivers/xdp/next-hop.js'],
  ['state', '../../bpf/index.js'],
  ['installation', '../reconcile/driver.js'],
  ['observe', '../state/state-file.js'],
  ['observe', '../installation/pins.js'],
  ['observe', '../commands/status.js'],
  ['observe', '../agent.js'],
  ['reconcile', '../agent.js'],
  ['drivers/xdp', '../../agent.js'],
  ['drivers/other', '../../agent.js'],
  ['reachability/next-hops', '../../agent.js'],
  ['state', '../agent.js'],
  ['installation', '../agent.js'],
] as const;

const ALLOWED = [
  ['reconcile', '../../registry/index.js'],
  ['drivers/xdp', '../../installation/pins.js'],
  ['drivers/xdp', '../../reconcile/driver.js'],
  ['observe', '../drivers/xdp/attached-tables.js'],
  ['commands', '../state/state-file.js'],
  ['commands', '../agent.js'],
] as const;

/** A copy of our folders, in which each case is a file with the one import. */
let folder: string;
let output: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-arrows-'));
  copyFileSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
  for (const [from, to] of [...REFUSED, ...ALLOWED]) {
    const file = join(folder, fileOf(from, to));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `export { it } from '${to}';\n`);
  }
  const { stdout, stderr } = spawnSync(
    join(ROOT, 'node_modules/.bin/biome'),
    ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--colors=off', 'lb-agent'],
    { cwd: folder, encoding: 'utf8' },
  );
  output = stdout + stderr;
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(from: string, to: string): string {
  return `lb-agent/${from}/${to.replace(/^[./]*|\.js$/g, '').replaceAll('/', '-')}.ts`;
}

function isRefused(from: string, to: string): boolean {
  return output.split('\n').some((line) => {
    return line.startsWith(`${fileOf(from, to)}:`) && line.includes('noRestrictedImports');
  });
}

describe('the linter', () => {
  it('looked at every case', () => {
    expect(output).toMatch(`Checked ${REFUSED.length + ALLOWED.length} files`);
  });

  it.each(REFUSED)('refuses an arrow that runs back: %s imports %s', (from, to) => {
    expect(isRefused(from, to)).toBe(true);
  });

  it.each(ALLOWED)('lets %s import %s', (from, to) => {
    expect(isRefused(from, to)).toBe(false);
  });
});
