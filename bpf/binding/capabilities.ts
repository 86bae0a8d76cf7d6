// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { guarded } from './errors.js';
import { addon } from './native.js';

/** Of linux/capability.h, as far as this project names them. */
const NUMBERS = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof NUMBERS;

/** Those of {@link Capability} that this process may use. */
export function effectiveCapabilities(): Set<Capability> {
  const { CapEff } = capabilitySets();
  const names = Object.keys(NUMBERS) as Capability[];
  return new Set(names.filter((name) => ((CapEff >> BigInt(NUMBERS[name])) & 1n) === 1n));
}

/**
 * Takes all others away from every thread of this process, and from the children that it starts
 * from now on. There is no way back. Returns whether there was anything to take away: where there
 * is not, no system call is made, because a hardened unit may forbid them.
 *
 * @throws CidecarError KERNEL_CALL_FAILED
 */
export function limitCapabilities(keep: Iterable<Capability>): boolean {
  const numbers = [...keep].map((name) => NUMBERS[name]);
  const mask = numbers.reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
  const sets = capabilitySets();
  // Whether the bounding set can be limited depends on CAP_SETPCAP, which is never kept.
  if (((sets.CapPrm | sets.CapEff | sets.CapInh) & ~mask) === 0n) return false;
  guarded(() => addon().limitCapabilities(numbers));
  return true;
}

type SetName = 'CapInh' | 'CapPrm' | 'CapEff' | 'CapBnd';

/** Of the main thread. */
function capabilitySets(): Record<SetName, bigint> {
  const status = readFileSync('/proc/self/status', 'utf8');
  const read = (name: SetName) => {
    const [, digits = '0'] = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status) ?? [];
    return BigInt(`0x${digits}`);
  };
  return {
    CapInh: read('CapInh'),
    CapPrm: read('CapPrm'),
    CapEff: read('CapEff'),
    CapBnd: read('CapBnd'),
  };
}
