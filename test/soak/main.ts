// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { soak } from './soak.js';
import { faultsOf, growthOf, inMb, LIMITS, median } from './verdict.js';

const { cids, json } = new Command('soak')
  .description('Lets a sidecar issue for long, through rotations, and looks at what it needs.')
  .option('--cids <n>', 'CIDs that the fast client takes', readCount, 100_000_000)
  .option('--json <file>', 'also write the figures to this file')
  .parse()
  .opts<{ cids: number; json?: string }>();

const line = (text: string) => process.stdout.write(`${text}\n`);
line('million CIDs   million/s   resident MB   heap MB   descriptors');
const result = await soak({
  cids,
  report: ({ cids: taken, perSecond, rss, heap, fds }) => {
    const columns = [(taken / 1e6).toFixed(1), (perSecond / 1e6).toFixed(2), inMb(rss), inMb(heap)];
    const [a = '', b = '', c = '', d = ''] = columns;
    line(
      `${a.padStart(12)}${b.padStart(12)}${c.padStart(14)}${d.padStart(10)}${`${fds}`.padStart(14)}`,
    );
  },
});
const growth = growthOf(result.samples);
const faults = faultsOf(result);
line(
  `${result.taken} CIDs in all, ${result.rotations} rotations; from the second third to the last:`,
);
line(`  resident memory ${inMb(growth.rss)} MB more, at most ${inMb(LIMITS.rss)}`);
line(`  heap ${inMb(growth.heap)} MB more, at most ${inMb(LIMITS.heap)}`);
const rates = result.tenths.map(({ perSecond }) => perSecond);
line(
  `  the fast client: ${(median(rates) / 1e6).toFixed(2)} million CIDs a second, median of tenths`,
);
line(faults.length === 0 ? 'flat' : faults.join('\n'));
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...result, growth, faults })}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

function readCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1_000_000) return count;
  throw new InvalidArgumentError('It must be a whole number from 1000000: less is all warming up.');
}
