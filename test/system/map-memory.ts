// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';

/** Octets of every map that this process holds, by ID: "memlock" of proc_pid_fdinfo(5). */
export function mapMemory(): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    const text = readFdinfo(fd);
    const id = /^map_id:\s*(\d+)$/m.exec(text)?.[1];
    const memory = /^memlock:\s*(\d+)$/m.exec(text)?.[1];
    if (id !== undefined && memory !== undefined) sizes.set(id, Number(memory));
  }
  return sizes;
}

/** Empty if the descriptor is gone, as is the one that read the folder. */
function readFdinfo(fd: string): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  } catch {
    return '';
  }
}
