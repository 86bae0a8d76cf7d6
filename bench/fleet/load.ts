// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.js';

/** Milliseconds before the load is measured, for what came before to end, and of measuring. */
const SETTLE_MS = 2_000;
const MEASURE_MS = 10_000;
/** A tick is a hundredth of a second. */
const TICK_MS = 10;

export interface Process {
  readonly pid: number;
}

/** Processes by what they are together. */
export type Groups = Readonly<Record<string, readonly Process[]>>;

export interface Usage<Group extends string> {
  /** Milliseconds that it took. */
  readonly ms: number;
  /** Milliseconds of CPU of each group, those of all threads. */
  readonly cpu: Readonly<Record<Group, number>>;
  /** The share of all CPUs, 0 to 1, that everything took which is in no group. */
  readonly others: number;
}

/** Measures what groups of processes, and everything else on this machine, take meanwhile. */
export async function usageOf<Group extends string>(
  groups: Readonly<Record<Group, readonly Process[]>>,
  work: () => Promise<unknown>,
): Promise<Usage<Group>> {
  const names = Object.keys(groups) as Group[];
  const ticks = () => names.map((name) => sum(groups[name].map(({ pid }) => ticksOf(pid))));
  const before = { ticks: ticks(), machine: machineTicks(), own: process.cpuUsage(), at: now() };
  await work();
  const own = process.cpuUsage(before.own);
  const machine = machineTicks();
  const after = ticks();
  const ms = now() - before.at;
  const cpu = names.map((_, at) => ((after[at] ?? 0) - (before.ticks[at] ?? 0)) * TICK_MS);
  const busy = (machine.busy - before.machine.busy) * TICK_MS;
  const all = (machine.all - before.machine.all) * TICK_MS;
  const ours = sum(cpu) + (own.user + own.system) / 1_000;
  return {
    ms,
    cpu: Object.fromEntries(names.map((name, at) => [name, cpu[at] ?? 0])) as Record<Group, number>,
    others: all === 0 ? 0 : Math.max(0, busy - ours) / all,
  };
}

/** What groups of processes take while nothing happens. */
export async function restOf<Group extends string>(
  groups: Readonly<Record<Group, readonly Process[]>>,
): Promise<Usage<Group>> {
  await pause(SETTLE_MS);
  return usageOf(groups, () => pause(MEASURE_MS));
}

/** Megabytes of memory of the largest. */
export function largest(processes: readonly Process[]): number {
  return Math.max(...processes.map(({ pid }) => residentMegabytes(pid)));
}

/** User and system time, in hundredths of a second. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Of all CPUs together: what was not idle, and all. Time that was stolen counts as not idle. */
function machineTicks(): { busy: number; all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  const all = sum(times);
  return { busy: all - (times[3] ?? 0) - (times[4] ?? 0), all };
}

function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
