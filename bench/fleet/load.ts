// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds before the load is measured, for what came before to end, and of measuring. */
const SETTLE_MS = 2_000;
const MEASURE_MS = 10_000;

/** Of all members together: milliseconds of CPU a second; of the largest: resident memory. */
export async function loadOf(
  members: readonly { readonly pid: number }[],
): Promise<{ cpu: number; megabytes: number }> {
  const ticks = () => members.reduce((sum, { pid }) => sum + ticksOf(pid), 0);
  await pause(SETTLE_MS);
  const before = ticks();
  await pause(MEASURE_MS);
  // A tick is ten milliseconds.
  const cpu = ((ticks() - before) * 10 * 1_000) / MEASURE_MS;
  return { cpu, megabytes: Math.max(...members.map(({ pid }) => residentMegabytes(pid))) };
}

/** Milliseconds of CPU that processes took meanwhile, those of all their threads. */
export async function cpuOf(
  processes: readonly { readonly pid: number }[],
  work: () => Promise<unknown>,
): Promise<number> {
  const ticks = () => processes.reduce((sum, { pid }) => sum + ticksOf(pid), 0);
  const before = ticks();
  await work();
  return (ticks() - before) * 10;
}

/** User and system time, in hundredths of a second. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
