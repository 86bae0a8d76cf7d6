// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AgentNameValue } from '../../registry/etcd/layout/index.js';

/** By what an agent is known that has lost its state folder. */
export type Place = Pick<AgentNameValue, 'machine' | 'boot'>;

const MACHINE_ID = '/etc/machine-id';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * Where the program of an agent is pinned. The IDs of machine and boot are told to nobody, as
 * machine-id(5) asks: only hashes are.
 */
export function placeOf(pinFolder: string): Place {
  const machine = machineAndPins(pinFolder);
  const boot = bootAndPins(pinFolder);
  return { ...(machine !== undefined && { machine }), ...(boot !== undefined && { boot }) };
}

/**
 * What stands for a machine and a pin folder in it: the agent there is the same one after its
 * state folder was lost, as that in /run is at a reboot. Undefined where the machine has no ID.
 */
export function machineAndPins(pinFolder: string, file = MACHINE_ID): string | undefined {
  const id = readId(file, /^[0-9a-f]{32}$/);
  return id === undefined ? undefined : digest('cidecar lb-agent', id, pinFolder);
}

/**
 * What stands for a pin folder until the kernel is booted again. No pin outlives a boot, so an
 * agent that comes to this folder in the same boot has the same program before it, also in a
 * container that was made anew without its state folder and without a machine ID. Two containers
 * may have a bpffs each, at the same path: the device number of the file system tells them apart.
 */
export function bootAndPins(pinFolder: string, file = BOOT_ID): string | undefined {
  const id = readId(file, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  if (id === undefined) return undefined;
  return digest('cidecar lb-agent boot', `${id}\n${deviceOf(pinFolder)}`, pinFolder);
}

function readId(file: string, form: RegExp): string | undefined {
  try {
    const id = readFileSync(file, 'utf8').trim();
    return form.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Of the file system that the folder is in, or will be in when it is made. */
function deviceOf(folder: string): string {
  const device = statSync(folder, { throwIfNoEntry: false, bigint: true })?.dev;
  return device === undefined ? deviceOf(dirname(folder)) : String(device);
}

function digest(what: string, id: string, pinFolder: string): string {
  return createHash('sha256').update(`${what}\n${id}\n${pinFolder}`).digest('hex');
}
