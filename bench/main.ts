#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { describeError } from '../core/index.js';
import { buildCases } from './cases.js';
import { memoryFigure, programFigures } from './figures.js';
import { measure, type PacketResult } from './measure.js';
import { Prelude } from './prelude.js';
import { type Figure, figureTable, packetTable } from './report.js';
import { ringFigures } from './ring-disturbance.js';
import { OTHER_SUITES } from './suites.js';

interface Options {
  readonly json?: string;
  readonly quick?: true;
  readonly rounds?: string;
  readonly packets?: string;
  readonly cpu?: string;
  readonly only?: string;
}

const command = new Command('bench')
  .description('Measures every row of the tables in README.md on this machine.')
  .option('--json <file>', 'also write the figures into this file')
  .option('--quick', 'fewer rounds and packets, a quarter of the largest table')
  .option('--rounds <number>', 'rounds over all packet rows')
  .option('--packets <number>', 'packets of a row in a round')
  .option('--cpu <number>', 'the CPU that processes packets (default: the last)')
  .option('--only <suite>', `packets, ${Object.keys(OTHER_SUITES).join(', ')}`)
  .parse();
const options = command.opts<Options>();

async function packets(): Promise<{ results: PacketResult[]; figures: Figure[] }> {
  const quick = options.quick === true;
  const { world, cases } = await buildCases(quick ? 256 * 1024 : 1024 * 1024);
  const prelude = await Prelude.load();
  prelude.aim(world.balancer.program);
  const results = measure(prelude, cases, {
    rounds: Number(options.rounds ?? (quick ? 5 : 15)),
    packets: Number(options.packets ?? (quick ? 50_000 : 300_000)),
    cpu: Number(options.cpu ?? availableParallelism() - 1),
  });
  const figures = programFigures(world.balancer);
  world.balancer.close();
  return { results, figures: [...figures, await memoryFigure(), ...ringFigures()] };
}

async function main(): Promise<void> {
  const wanted = (suite: string): boolean => (options.only ?? suite) === suite;
  const json: Record<string, unknown>[] = [];
  const add = (title: string, figures: readonly Figure[]): void => {
    process.stdout.write(`\n${figureTable(title, figures)}\n`);
    json.push(...figures.map((figure) => ({ case: figure.case, ...figure.json })));
  };
  if (wanted('packets')) {
    const { results, figures } = await packets();
    process.stdout.write(`${packetTable(results)}\n`);
    json.push(...results.map((result) => ({ ...result })));
    add('packet program', figures);
  }
  for (const [name, suite] of Object.entries(OTHER_SUITES)) {
    if (wanted(name)) add(suite.title, await suite.run());
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(json, null, 2)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${describeError(error)}\n`);
  process.exitCode = 1;
});
