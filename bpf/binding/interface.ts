// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { addon, type NativeDriver, type NativeXdpProgram } from './native.js';

export interface InterfaceFacts extends NativeDriver {
  /** Whosever they are. */
  readonly programs: readonly NativeXdpProgram[];
}

/** What the driver of an interface of this network namespace says; what it does not is left out. */
export function interfaceFacts(ifindex: number): InterfaceFacts {
  const native = addon();
  return guarded(() => ({ ...native.driverOf(ifindex), programs: native.xdpPrograms(ifindex) }));
}

/** What the driver counts, by the names of `ethtool -S`; empty where it counts nothing. */
export function driverCounters(ifindex: number): Readonly<Record<string, number>> {
  return guarded(() => addon().driverCounters(ifindex));
}
