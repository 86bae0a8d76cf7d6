// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Imports of a file in a room of the sidecar, and whether biome.json allows them. */
const CASES: readonly (readonly [file: string, imported: string, allowed: boolean])[] = [
  ['sidecar/rpc/a.ts', '../issuing/issuer.js', true],
  ['sidecar/rpc/a.ts', '../metrics.js', true],
  ['sidecar/rpc/a.ts', '../../core/index.js', true],
  ['sidecar/rpc/a.ts', '../state/state-store.js', false],
  ['sidecar/rpc/a.ts', '../host/decapsulation.js', false],
  ['sidecar/rpc/a.ts', '../daemon.js', false],
  ['sidecar/issuing/a.ts', '../state/state-store.js', true],
  ['sidecar/issuing/a.ts', '../../daemon/log.js', true],
  ['sidecar/issuing/a.ts', '../rpc/service.js', false],
  ['sidecar/issuing/a.ts', '../metrics.js', false],
  ['sidecar/state/a.ts', './state-file.js', true],
  ['sidecar/state/a.ts', '../../core/index.js', true],
  ['sidecar/state/a.ts', '../issuing/issuer.js', false],
  ['sidecar/state/a.ts', '../rpc/service.js', false],
  ['sidecar/state/a.ts', '../daemon.js', false],
  ['sidecar/host/a.ts', '../options.js', true],
  ['sidecar/host/a.ts', '../rpc/service.js', false],
  ['sidecar/metrics.ts', './issuing/issuer.js', true],
  ['sidecar/metrics.ts', './rpc/service.js', false],
  ['sidecar/registry-follower.ts', './rpc/service.js', false],
];

/** The ways to import, each on one line, with a number that makes its names unique. */
const STATEMENTS: readonly ((imported: string, n: number) => string)[] = [
  (imported, n) => `import { a${n} } from '${imported}'; export const b${n} = a${n};`,
  (imported, n) => `import type { A${n} } from '${imported}'; export type B${n} = A${n};`,
  (imported, n) => `export { c${n} } from '${imported}';`,
  (imported, n) => `export const d${n} = await import('${imported}');`,
];

let folder: string;
/** `file:line` of each import that the linter refused. */
let refused: Set<string>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-rooms-'));
  copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
  for (const file of new Set(CASES.map(([name]) => name))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    const lines = importsOf(file).flatMap((imported, i) =>
      STATEMENTS.map((statement) => statement(imported, i)),
    );
    writeFileSync(join(folder, file), `${lines.join('\n')}\n`);
  }
  const flags = ['lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none'];
  const biome = join(root, 'node_modules/.bin/biome');
  const { stdout } = spawnSync(biome, flags, { cwd: folder, encoding: 'utf8' });
  const found = stdout.matchAll(/noRestrictedImports,file=(\S+?),line=(\d+)/g);
  refused = new Set([...found].map(([, file = '', line]) => `${relative(folder, file)}:${line}`));
});
afterAll(() => rmSync(folder, { recursive: true }));

function importsOf(file: string): string[] {
  return CASES.filter(([name]) => name === file).map(([, imported]) => imported);
}

it.each(CASES)('%s: an import of %s is allowed: %s', (file, imported, allowed) => {
  const first = importsOf(file).indexOf(imported) * STATEMENTS.length + 1;
  const found = STATEMENTS.map((_, i) => refused.has(`${file}:${first + i}`));
  expect(found).toEqual(STATEMENTS.map(() => !allowed));
});
