// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { dirname } from 'node:path';
import {
  BpfLink,
  type BpfMap,
  BpfObject,
  type BpfProgram,
  ensureBpffs,
  ifindex,
  objectPath,
} from '../../bpf/binding/index.js';
import { readCounter } from '../../bpf/tables/counters.js';
import { DECAP_PREFIX, DECAP_REASONS, DECAP_SETTINGS } from '../../bpf/tables/decap-layout.js';
import { addressOctets } from '../../bpf/tables/mapped-address.js';
import { CidecarError, makeFolders } from '../../core/index.js';
import type { DecapsulationFlags } from '../options.js';
import type { Attachment } from './decapsulation-keeper.js';

// This is the only file of the sidecar that needs the addon and privileges, so it is imported on
// demand.

/**
 * Attaches the program that unwraps what balancers send. With a pin the program outlives the
 * process, and the next process replaces it by its own without a gap. Throws
 * INTERFACE_UNKNOWN, INTERFACE_BUSY, DRIVER_REFUSED, KERNEL_PERMISSION or PIN_INVALID, and
 * MAP_FULL for too many VIPs.
 *
 * @param vips the addresses that tunnels may lead to; undefined: any
 */
export async function attachDecapsulation(
  flags: Omit<DecapsulationFlags, 'to'>,
  vips?: readonly string[],
): Promise<Attachment> {
  const index = ifindex(flags.interface);
  const object = await BpfObject.load(objectPath('decap'));
  try {
    // Before it is attached, or it would unwrap for any address meanwhile.
    configure(object, { ...flags, ...(vips === undefined ? {} : { vips }) });
    const program = object.program('decap');
    const link =
      flags.pin === undefined ? attach(program, index) : attachPinned(program, index, flags.pin);
    return attachmentOf(link, index, object);
  } finally {
    object.close(); // The link keeps the program and its maps.
  }
}

function attachmentOf(link: BpfLink, index: number, object: BpfObject): Attachment {
  const stats = object.map('decap_stats');
  const allowed = object.map('decap_vips');
  return {
    // The kernel sets the interface of a link to 0 when that is gone or the link was detached.
    attached: () => link.info().ifindex === index,
    counters: () =>
      DECAP_REASONS.map((reason, row) => ({ reason, ...readCounter(stats, row) })).filter(
        ({ packets }) => packets > 0,
      ),
    allowVips: (vips) => allowVips(allowed, vips),
    close: () => {
      allowed.close();
      stats.close();
      link.close();
    },
  };
}

/**
 * Takes away a program that a sidecar left pinned, whether its interface is still there or not.
 * Throws PIN_INVALID where no link is pinned, KERNEL_PERMISSION.
 */
export function detachPinned(pin: string): void {
  if (!existsSync(pin)) {
    throw new CidecarError('PIN_INVALID', 'nothing is pinned here', { file: pin });
  }
  const link = BpfLink.openPinned(pin);
  if (link.info().ifindex !== 0) link.detach();
  link.unpin(pin);
  link.close();
}

/** What a program is told before it is attached. */
export interface DecapsulationSettings extends Pick<DecapsulationFlags, 'sources' | 'guePort'> {
  /**
   * The addresses that a tunnel may lead to; with an empty list nothing is unwrapped. By default
   * a tunnel may lead to every address of this host.
   */
  readonly vips?: readonly string[];
}

/**
 * Writes the settings of a program that is loaded and not attached yet. Throws ARGUMENT_INVALID
 * for a VIP that is no address.
 */
export function configure(
  object: BpfObject,
  { sources, guePort, vips }: DecapsulationSettings,
): void {
  allowSources(object, sources);
  if (vips !== undefined) {
    const allowed = object.map('decap_vips');
    allowVips(allowed, vips);
    allowed.close();
  }
  const settings = object.map('.data.decap');
  const value = settings.lookup(0);
  if (value === undefined) throw new CidecarError('PIN_INVALID', 'decap.bpf.o has no settings');
  const view = new DataView(value.buffer, value.byteOffset);
  if (sources.length > 0) view.setUint32(DECAP_SETTINGS.check_sources, 1, true);
  if (vips !== undefined) view.setUint32(DECAP_SETTINGS.check_vips, 1, true);
  if (guePort !== undefined) view.setUint16(DECAP_SETTINGS.gue_port, guePort); // network order
  settings.update(0, value);
  settings.close();
}

/** Tunnels from these prefixes are unwrapped; others are dropped once `check_sources` is set. */
function allowSources(object: BpfObject, prefixes: readonly string[]): void {
  const sources = object.map('decap_sources');
  for (const prefix of prefixes) {
    const [address = '', length] = prefix.split('/');
    const mappedBits = isIPv4(address) ? 96 : 0;
    const key = new Uint8Array(DECAP_PREFIX.size);
    const bits = mappedBits + Number(length ?? (isIPv4(address) ? 32 : 128));
    new DataView(key.buffer).setUint32(DECAP_PREFIX.length, bits, true);
    key.set(addressOctets(address), DECAP_PREFIX.address);
    sources.update(key, new Uint8Array(4));
  }
  sources.close();
}

/** struct decap_vip of bpf/kernel/decap.h. */
function allowVips(allowed: BpfMap, addresses: readonly string[]): void {
  for (const address of addresses) allowed.update(addressOctets(address), new Uint8Array(4));
}

function attachPinned(program: BpfProgram, index: number, pin: string): BpfLink {
  ensureBpffs();
  if (!existsSync(pin)) {
    makePinFolder(dirname(pin));
    const link = attach(program, index);
    link.pin(pin);
    return link;
  }
  const link = BpfLink.openPinned(pin);
  const { ifindex: present } = link.info();
  if (present === 0) {
    // Its interface is gone, made anew perhaps, or it was detached: the pin holds nothing.
    link.close();
    const fresh = attach(program, index);
    fresh.pinReplacing(pin);
    return fresh;
  }
  if (present !== index) {
    link.close();
    throw new CidecarError(
      'PIN_INVALID',
      'the program pinned here is on another interface; `cid-sidecar detach` takes it away',
      { file: pin },
    );
  }
  link.update(program);
  return link;
}

function makePinFolder(folder: string): void {
  try {
    makeFolders(folder, 0o700);
  } catch (cause) {
    throw new CidecarError('PIN_INVALID', `cannot make the folder of the pin (${cause})`, {
      file: folder,
      cause,
    });
  }
}

function attach(program: BpfProgram, index: number): BpfLink {
  try {
    return program.attachXdp(index, 'native');
  } catch (error) {
    // The driver has no native XDP here. Generic XDP is slower, but works everywhere.
    if (!(error instanceof CidecarError) || error.code !== 'DRIVER_REFUSED') throw error;
    return program.attachXdp(index, 'generic');
  }
}
