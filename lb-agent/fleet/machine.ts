// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * What stands for a machine and a pin folder in it: the agent there is the same one after its
 * state folder was lost, as that in /run is at a reboot. The machine's ID itself is told to
 * nobody, as machine-id(5) asks. Undefined where the machine has none.
 */
export function machineAndPins(pinFolder: string, file = '/etc/machine-id'): string | undefined {
  let id: string;
  try {
    id = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
  if (!/^[0-9a-f]{32}$/.test(id)) return undefined;
  return createHash('sha256').update(`cidecar lb-agent\n${id}\n${pinFolder}`).digest('hex');
}
