#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { Command, InvalidArgumentError } from 'commander';
import { describeError } from '../../core/index.js';
import { hexText } from '../packets/describe.js';
import { fuzzDecap } from './decap.js';
import { type FoundCase, keep } from './found.js';
import { pinToOneCpu } from './pin.js';
import { type Finding, fuzz, report } from './run.js';

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('not a number');
  return value;
}

const command = new Command('fuzz')
  .description('Compares the packet programs in the kernel with the model, packet by packet.')
  .option('--packets <number>', 'how many for the balancer; a tenth more for decap', count, 100_000)
  .option('--seed <number>', 'the same packets for the same seed; default: the time', count)
  .option('--setup <number>', "begin with this of the seed's setups", count, 0)
  .parse();
const options = command.opts<{ packets: number; seed?: number; setup: number }>();

function caseOf(finding: Finding): FoundCase {
  return {
    sentence: 'Found by fuzzing; say here what was wrong, and in which of the two.',
    seed: finding.seed,
    setup: finding.setup,
    changes: finding.changes,
    frames: finding.frames.map(hexText),
  };
}

async function main(): Promise<void> {
  const seed = options.seed ?? Date.now();
  process.stdout.write(`seed ${seed}\n`);
  pinToOneCpu();
  const start = performance.now();
  let reported = start;
  const result = await fuzz({
    seed,
    packets: options.packets,
    firstSetup: options.setup,
    onProgress: (packets) => {
      const now = performance.now();
      if (now - reported < 10_000) return;
      reported = now;
      process.stdout.write(`${packets} packets, ${rate(packets, now - start)}\n`);
    },
  });
  printReasons(result.reasons);
  if (result.finding !== undefined) {
    process.stdout.write(`${report(result.finding)}\nkept in ${keep(caseOf(result.finding))}\n`);
    process.exitCode = 1;
    return;
  }
  const elapsed = performance.now() - start;
  process.stdout.write(
    `${result.packets} packets, no mismatch, ${rate(result.packets, elapsed)}\n`,
  );
  await decap(seed, Math.ceil(options.packets / 10));
}

async function decap(seed: number, wanted: number): Promise<void> {
  const start = performance.now();
  const { packets, reasons, mismatch } = await fuzzDecap(seed, wanted);
  process.stdout.write('decap\n');
  printReasons(reasons);
  if (mismatch !== undefined) process.exitCode = 1;
  const found = mismatch ?? `no mismatch, ${rate(packets, performance.now() - start)}`;
  process.stdout.write(`${packets} packets, ${found}\n`);
}

function printReasons(reasons: ReadonlyMap<string, number>): void {
  for (const [reason, packets] of [...reasons].sort((a, b) => b[1] - a[1])) {
    process.stdout.write(`  ${reason.padEnd(24)} ${packets}\n`);
  }
}

function rate(packets: number, milliseconds: number): string {
  return `${Math.round(packets / (milliseconds / 1000))} packets/s`;
}

main().catch((error: unknown) => {
  process.stderr.write(`fuzz: ${describeError(error)}\n`);
  process.exitCode = 1;
});
