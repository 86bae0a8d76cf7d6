// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import type { Ip } from './next-hops/ip.js';

const shape = z.array(
  z.object({
    family: z.string(),
    interface: z.string(),
    forwarding: z.boolean().optional(),
    rp_filter: z.string().optional(),
  }),
);

/** What the kernel does with the packets of an interface, and what it does by `all`. */
export type Netconf = z.infer<typeof shape>;

export type ReversePathFilter = 'off' | 'strict' | 'loose';

/** Asks by netlink, because a hardened unit may not see /proc/sys. */
export async function readNetconf(ip: Ip): Promise<Netconf> {
  const output = await ip(['-j', 'netconf', 'show']);
  return shape.parse(output === '' ? [] : JSON.parse(output));
}

/**
 * The rp_filter that the kernel applies to packets of IPv4: of the interface's number and that of
 * all the larger one, and loose is 2 and strict 1. Undefined where neither is known.
 */
export function reversePathFilter(netconf: Netconf, device: string): ReversePathFilter | undefined {
  const values = netconf
    .filter(({ family, interface: on }) => family === 'inet' && (on === device || on === 'all'))
    .map(({ rp_filter }) => rp_filter);
  return (['loose', 'strict', 'off'] as const).find((value) => values.includes(value));
}
