// SPDX-License-Identifier: Apache-2.0

/** Milliseconds since the epoch, with fractions: the same on all processes of this host. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
