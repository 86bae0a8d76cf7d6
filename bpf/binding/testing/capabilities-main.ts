// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { limitCapabilities } from '../capabilities.js';

const SETS = /^Cap(?:Inh|Prm|Eff|Bnd|Amb):.*$/gm;
const setsOf = (status: string) => (status.match(SETS) ?? []).join(' ').replace(/\s+/g, ' ');

// Threads of libuv, V8 and a worker, before and after.
await Promise.all(Array.from({ length: 8 }, () => readFile('/proc/self/status')));
const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
const limited = limitCapabilities(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']);
const again = limitCapabilities(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']);
const later = new Worker('setInterval(() => {}, 1000)', { eval: true });
await new Promise((resolve) => later.once('online', resolve));
const threads = readdirSync('/proc/self/task').map((id) =>
  setsOf(readFileSync(`/proc/self/task/${id}/status`, 'utf8')),
);
const child = setsOf(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }));
await Promise.all([worker.terminate(), later.terminate()]);
process.stdout.write(JSON.stringify({ limited, again, threads, child }));
