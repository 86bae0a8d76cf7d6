// SPDX-License-Identifier: Apache-2.0
import type { SoakResult } from './soak.js';
import type { Vitals } from './vitals.js';

const MB = 1024 * 1024;

/** How much more the last third of a run may need than the second. The first is the warm-up. */
export interface Limits {
  readonly rss: number;
  readonly heap: number;
  readonly fds: number;
}

/** Clients that reconnect hold one descriptor or two at any moment. */
export const LIMITS: Limits = { rss: 8 * MB, heap: 1 * MB, fds: 4 };

export interface Growth {
  /** Octets by which the median grows from the second third to the last. */
  readonly rss: number;
  readonly heap: number;
  /** The same for descriptors. */
  readonly fds: number;
}

export function growthOf(samples: readonly Vitals[]): Growth {
  const third = Math.floor(samples.length / 3);
  const second = samples.slice(-2 * third, -third);
  const last = samples.slice(-third);
  const grown = (of: (vitals: Vitals) => number) => median(last.map(of)) - median(second.map(of));
  return {
    rss: grown(({ rss }) => rss),
    heap: grown(({ heap }) => heap),
    fds: grown(({ fds }) => fds),
  };
}

/** What is wrong with a run, in words; empty if all is well. */
export function faultsOf(result: SoakResult, limits: Limits = LIMITS): string[] {
  const { stale, unroutable, fdsBefore, fdsAfter } = result;
  const { rss, heap, fds } = growthOf(result.samples);
  const said: string[] = [];
  if (rss > limits.rss) said.push(`resident memory grew by ${inMb(rss)} MB`);
  if (heap > limits.heap) said.push(`the heap grew by ${inMb(heap)} MB`);
  if (fds > limits.fds) said.push(`${fds} descriptors more are open`);
  if (fdsAfter > fdsBefore) said.push(`${fdsAfter - fdsBefore} descriptors outlived the clients`);
  if (stale > 0) said.push(`${stale} CIDs of an old config came after the switch`);
  if (unroutable > 0) said.push(`${unroutable} CIDs were not routable`);
  return said;
}

export function inMb(octets: number): string {
  return (octets / MB).toFixed(1);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
