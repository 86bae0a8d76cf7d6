#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { Command, InvalidArgumentError } from 'commander';
import { describeError } from '../../core/index.js';
import type { KernelReport } from './guest-main.js';
import { kernelImage, OLDEST } from './image.js';
import { runUnder } from './machine.js';

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('not a number');
  return value;
}

const command = new Command('kernels')
  .description('Runs the packet programs under other kernels of Debian, in a virtual machine.')
  .argument('[packages...]', 'of kernels, such as linux-image-6.12-amd64', [OLDEST])
  .option('--packets <number>', 'random packets to compare with the model', count, 4000)
  .option('--seed <number>', 'seed of the random packets', count, 1)
  .parse();
const options = command.opts<{ packets: number; seed: number }>();

try {
  for (const name of command.processedArgs[0] as readonly string[]) {
    const args = [String(options.packets), String(options.seed)];
    const said = await runUnder(kernelImage(name), 'test/kernels/guest-main', args);
    const { release, programs, packets, mismatch, attached } = JSON.parse(said) as KernelReport;
    const loaded = programs.map(
      ({ name: program, verifiedInstructions, jitedOctets }) =>
        `${program}: ${verifiedInstructions} verifier instructions, ${jitedOctets} octets of machine code`,
    );
    process.stdout.write(`Linux ${release}\n  ${loaded.join('\n  ')}\n`);
    process.stdout.write(`  ${packets} random packets: ${mismatch ?? 'no mismatch'}\n`);
    process.stdout.write(`  link: ${attached ? 'attached, replaced and found again' : 'FAILED'}\n`);
    if (mismatch !== undefined || !attached) process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`kernels: ${describeError(error)}\n`);
  process.exitCode = 1;
}
