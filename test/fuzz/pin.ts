// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/**
 * Keeps this process's main thread on one CPU and returns its number. Each CPU has its own
 * flow table, and moving to the CPU for every packet would cost ten times as much as the
 * packet itself.
 */
export function pinToOneCpu(): { cpu: number; release: () => void } {
  const cpu = availableParallelism() - 1;
  const before = affinity();
  setAffinity(String(cpu));
  return { cpu, release: () => setAffinity(before) };
}

function affinity(): string {
  const text = execFileSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' });
  const list = /:\s*(\S+)\s*$/.exec(text)?.[1];
  if (list === undefined) throw new Error(`taskset said: ${text}`);
  return list;
}

function setAffinity(list: string): void {
  execFileSync('taskset', ['-c', '-p', list, String(process.pid)], { stdio: 'ignore' });
}
