// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { crash } from './crash.js';

const { kills, cids, tearEvery } = new Command('crash')
  .description('Kills a sidecar under load and looks for CIDs that were issued twice.')
  .option('--kills <n>', 'least number of kills', Number, 200)
  .option('--cids <n>', 'least number of CIDs to receive', Number, 20_000_000)
  .option('--tear-every <n>', 'damage the state file at one in this many kills', Number, 10)
  .parse()
  .opts<{ kills: number; cids: number; tearEvery: number }>();

const report = (line: string) => process.stderr.write(`${line}\n`);
const result = await crash({ kills, cids, tearEvery, random: Math.random, report });
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exitCode = result.duplicates === 0 && result.refused === result.torn ? 0 : 1;
