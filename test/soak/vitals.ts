// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a process holds at one moment. */
export interface Vitals {
  /** Octets of resident memory, as the kernel counts them. */
  readonly rss: number;
  /** Octets of JavaScript objects after a collection. */
  readonly heap: number;
  readonly fds: number;
}

/** Reads the vitals of a process that has the heap probe. */
export async function readVitals(pid: number, probe: string): Promise<Vitals> {
  const [status, fds] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ]);
  const rss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  return { rss, heap: Number(await text(connect(probe))), fds: fds.length };
}
