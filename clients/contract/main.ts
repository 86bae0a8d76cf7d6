// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { playAll } from './play-all.js';
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

const { only } = values;
const scenarios = readScenarios(folder).filter(({ name }) => name === (only ?? name));
if (scenarios.length === 0) {
  process.stderr.write(`there is no scenario ${only ?? ''} in ${folder}\n`);
  process.exit(2);
}
const played = playAll(scenarios, {
  command,
  outageMs: Number(values['outage-ms']),
  cids: Number(values.cids),
  withinMs: Number(values['within-ms']),
  strictTiming: values['strict-timing'],
});
for await (const { name, fault } of played) {
  process.stdout.write(fault === undefined ? `passed  ${name}\n` : `FAILED  ${fault}\n`);
  if (fault !== undefined) process.exitCode = 1;
}
