// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readlinkSync } from 'node:fs';
import { CidecarError } from '../../core/errors.js';
import { makeFolders } from '../../core/make-folders.js';
import { guarded, translated } from './errors.js';
import { addon, type NativeProbe } from './native.js';

/** Number of CPUs that can ever come online. A per-CPU value has a copy for each of them. */
export function possibleCpus(): number {
  return guarded(() => addon().possibleCpus());
}

/** Index of an interface of this network namespace. @throws CidecarError INTERFACE_UNKNOWN */
export function ifindex(name: string): number {
  // Outside of the try block: a missing addon is no missing interface.
  const native = addon();
  try {
    return native.ifindex(name);
  } catch (error) {
    const cause = translated(error);
    if (!(cause instanceof CidecarError) || cause.code !== 'INTERFACE_UNKNOWN') throw cause;
    throw new CidecarError('INTERFACE_UNKNOWN', `no interface is named ${name}`, { cause });
  }
}

export function isBpffs(path: string): boolean {
  return guarded(() => addon().isBpffs(path));
}

/**
 * Mounts bpffs if it is not there, which needs root. Not in a mount namespace other than that
 * of process 1, as below `ip netns exec`: what is pinned there is gone with this process.
 *
 * @throws CidecarError PIN_INVALID there, KERNEL_PERMISSION
 */
export function ensureBpffs(path = '/sys/fs/bpf'): void {
  const native = addon();
  if (native.isBpffs(path)) return;
  try {
    makeFolders(path);
  } catch (cause) {
    throw new CidecarError(
      'KERNEL_PERMISSION',
      `cannot make the folder ${path} for bpffs (${cause})`,
      {
        file: path,
        cause,
      },
    );
  }
  if (hasOwnMounts()) {
    throw new CidecarError(
      'PIN_INVALID',
      'bpffs is not mounted here, and what this process mounts would end with it; on the host, `mount -t bpf bpf /sys/fs/bpf`, and enter network namespaces with nsenter, because `ip netns exec` hides that',
      { file: path },
    );
  }
  guarded(() => native.mountBpffs(path));
}

/** Whether this process is known to have another mount namespace than process 1. */
function hasOwnMounts(): boolean {
  const mountsOf = (process: string) => readlinkSync(`/proc/${process}/ns/mnt`);
  try {
    return mountsOf('self') !== mountsOf('1');
  } catch {
    return false; // Not everybody may see process 1.
  }
}

export interface KernelSupport extends NativeProbe {
  /** What the programs of this project need and this kernel lacks, in words. */
  readonly missing: readonly string[];
}

/** Tries what the programs of this project need of the kernel. */
export function kernelSupport(): KernelSupport {
  const probe = guarded(() => addon().probe());
  const needs: [keyof NativeProbe, string][] = [
    ['bpf', 'the bpf system call'],
    ['xdp', 'XDP programs'],
    ['ringbuf', 'BPF ring buffers'],
    ['mmapableArrays', 'BPF arrays that can be mapped'],
    ['coarseClock', 'the coarse clock in XDP programs'],
  ];
  // Without the privilege all probes fail, although the kernel may lack nothing.
  const missing = probe.bpf && !probe.permitted ? [] : needs.filter(([need]) => !probe[need]);
  return { ...probe, missing: missing.map(([, words]) => words) };
}

/** @throws CidecarError KERNEL_UNSUPPORTED naming what is missing, KERNEL_PERMISSION. */
export function requireKernelSupport(): void {
  const { release, missing, permitted } = kernelSupport();
  if (missing.length > 0) {
    throw new CidecarError('KERNEL_UNSUPPORTED', `Linux ${release} lacks ${missing.join(', ')}`);
  }
  if (!permitted) {
    throw new CidecarError('KERNEL_PERMISSION', 'this user may not use bpf(2)');
  }
  // Without CAP_PERFMON the verifier only says that a pointer is misused.
  if (!mayLeavePointers()) {
    throw new CidecarError(
      'KERNEL_PERMISSION',
      'this process has no CAP_PERFMON, without which the verifier refuses the packet programs',
    );
  }
}

/** Bits of linux/capability.h. CAP_SYS_ADMIN includes CAP_PERFMON (Linux 5.8). */
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;

/** Whether the verifier lets this process compare and keep pointers as the programs do. */
function mayLeavePointers(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return (BigInt(`0x${effective ?? '0'}`) & (CAP_SYS_ADMIN | CAP_PERFMON)) !== 0n;
}
