// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../../../registry/index.js';

/** Whether balancers look after the servers of a pool at all. */
export function isChecked({ health, vips }: Pool): boolean {
  return health !== undefined && vips.length > 0;
}

/** A server that has another address is another one. */
export function keyOf(pool: string, { name, address }: { name: string; address: string }): string {
  return `${pool} ${name} ${address}`;
}
