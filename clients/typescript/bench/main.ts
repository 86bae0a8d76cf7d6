// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CidPool } from '../index.js';

// What this client costs the server that it is in: clients/contract/README.md says what is written.
const { values } = parseArgs({
  options: { sidecar: { type: 'string' }, count: { type: 'string', default: '2000000' } },
});
const { sidecar: socket } = values;
if (socket === undefined) {
  process.stderr.write('usage: main.js --sidecar SOCKET [--count CIDS]\n');
  process.exit(2);
}

const TAKES = 4_000;
const ROUNDS = 9;

const before = { memory: process.memoryUsage().rss, threads: threads() };
let after = before;
const rounds: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  // Of the size that most servers have. One that was emptied does not become full by itself.
  const pool = CidPool.connect({ socket });
  await pool.ready({ timeout: 30_000 });
  while (pool.level < TAKES) await new Promise(setImmediate);
  if (round === 0) after = { memory: process.memoryUsage().rss, threads: threads() };
  const began = process.hrtime.bigint();
  for (let i = 0; i < TAKES; i += 1) pool.take();
  rounds.push(Number(process.hrtime.bigint() - began) / TAKES);
  pool.close();
}

const large = CidPool.connect({ socket, highWater: 65_536, lowWater: 49_152 });
await large.ready({ timeout: 30_000 });
const count = Number(values.count);
const began = performance.now();
let taken = 0;
while (taken < count) {
  for (let level = Math.min(large.level, count - taken); level > 0; level -= 1) {
    large.take();
    taken += 1;
  }
  await new Promise(setImmediate);
}
const seconds = (performance.now() - began) / 1000;
large.close();

process.stdout.write(
  `${JSON.stringify({
    take_ns: rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)],
    cids_per_second: Math.round(count / seconds),
    memory_octets: Math.max(0, after.memory - before.memory),
    threads: after.threads - before.threads,
  })}\n`,
);

function threads(): number {
  return readdirSync('/proc/self/task').length;
}
