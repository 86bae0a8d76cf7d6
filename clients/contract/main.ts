// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { play } from './player.js';
import { readScenarios } from './scenario.js';

const usage =
  'usage: main.js [--only NAME] [--outage-ms 3000] [--cids 100000] [--within-ms 30000] [--strict-timing] SCENARIOS PROGRAM [ARGUMENT...]\n';

const { values, positionals } = parseArgs({
  options: {
    only: { type: 'string' },
    'outage-ms': { type: 'string', default: '3000' },
    cids: { type: 'string', default: '100000' },
    'strict-timing': { type: 'boolean', default: false },
    'within-ms': { type: 'string', default: '30000' },
  },
  allowPositionals: true,
});
const [folder, ...command] = positionals;
if (folder === undefined || command.length === 0) {
  process.stderr.write(usage);
  process.exit(2);
}

let failed = 0;
for (const scenario of readScenarios(folder)) {
  if (values.only !== undefined && scenario.name !== values.only) continue;
  const place = mkdtempSync(join(tmpdir(), 'cdc-'));
  try {
    await play(scenario, {
      command,
      socket: join(place, 's.sock'),
      outageMs: Number(values['outage-ms']),
      cids: Number(values.cids),
      withinMs: Number(values['within-ms']),
      strictTiming: values['strict-timing'],
    });
    process.stdout.write(`passed  ${scenario.name}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILED  ${(error as Error).message}\n`);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
process.exitCode = failed === 0 ? 0 : 1;
