// SPDX-License-Identifier: Apache-2.0
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Capability, effectiveCapabilities, limitCapabilities } from '../../bpf/index.js';
import type { Log } from '../../daemon/log.js';

/**
 * Loading tables and programs, attaching them, and asking for neighbours; CAP_NET_RAW for the
 * health checks that a later document may ask for.
 */
const NEEDED: readonly Capability[] = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_PERFMON'];

/**
 * Gives up, for good, what the agent needs no more once it has started; also for its children, such
 * as the announce hook. Logs what stays.
 *
 * @param files that it reads or writes later on. Where one belongs to another user, or its folder
 * does, or a folder above lets nobody through, CAP_DAC_OVERRIDE stays, or the next change of it
 * could not be read
 * @param more what a part of the agent needs beside that
 */
export function dropCapabilities(
  files: Iterable<string>,
  log: Log,
  more: readonly Capability[] = [],
): void {
  const has = effectiveCapabilities();
  const keep = new Set<Capability>([...NEEDED, ...more]);
  // On kernels that knew no finer ones, and where a service manager grants just this.
  if (!has.has('CAP_BPF') || !has.has('CAP_PERFMON')) keep.add('CAP_SYS_ADMIN');
  const foreign = [...files].find(isForeign);
  if (foreign !== undefined) keep.add('CAP_DAC_OVERRIDE');
  try {
    if (!limitCapabilities(keep)) return;
    const kept = [...keep].filter((name) => has.has(name)).sort();
    log.info(
      { kept, ...(foreign !== undefined && { belongsToAnotherUser: foreign }) },
      'capabilities that are needed no more are dropped',
    );
  } catch (error) {
    log.warn({ error }, 'capabilities that are needed no more cannot be dropped');
  }
}

function isForeign(path: string): boolean {
  return [path, dirname(path)].some((each) => belongsToAnother(each)) || isShutIn(dirname(path));
}

/** Whether a folder above this one belongs to another user, who lets nobody else through. */
function isShutIn(folder: string): boolean {
  const above = dirname(folder);
  if (above === folder) return false;
  const isShut = belongsToAnother(above, (mode) => (mode & 0o001) === 0);
  return isShut || isShutIn(above);
}

function belongsToAnother(path: string, counts = (_mode: number) => true): boolean {
  const found = statIfThere(path);
  return found !== undefined && found.uid !== process.geteuid?.() && counts(found.mode);
}

function statIfThere(path: string) {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
