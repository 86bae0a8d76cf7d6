// SPDX-License-Identifier: Apache-2.0

/** A server ID of three octets. */
export function hexOf(id: number): string {
  return id.toString(16).padStart(6, '0');
}
