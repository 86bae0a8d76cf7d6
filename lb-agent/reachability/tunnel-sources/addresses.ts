// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import type { Ip } from '../next-hops/ip.js';

/** An address of this host that other hosts can send to. */
export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
  readonly device: string;
  /** Why a tunnel should not come from it, such as `deprecated`; null: it may. */
  readonly unfit: string | null;
  /** The kernel still looks whether another host has it. */
  readonly tentative: boolean;
}

const devices = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z
      .array(
        z.object({
          family: z.string().optional(),
          local: z.string().optional(),
          scope: z.string().optional(),
          deprecated: z.boolean().optional(),
          tentative: z.boolean().optional(),
          dadfailed: z.boolean().optional(),
          temporary: z.boolean().optional(),
        }),
      )
      .default([]),
  }),
);

/** What another host can reach: neither `link` nor `host`. */
const SCOPES = new Set(['global', 'site']);

/** In the order in which the kernel has them. */
export async function readAddresses(ip: Ip): Promise<HostAddress[]> {
  const output = await ip(['-j', 'address', 'show']);
  return devices.parse(JSON.parse(output)).flatMap(({ ifname: device, addr_info: each }) =>
    each.flatMap(({ family, local: address, scope, ...flags }): HostAddress[] => {
      if (device === undefined || address === undefined || !SCOPES.has(scope ?? '')) return [];
      if (family !== 'inet' && family !== 'inet6') return [];
      const { dadfailed = false, temporary = false, deprecated = false } = flags;
      const tentative = flags.tentative === true && !dadfailed;
      const reasons = { 'in use elsewhere': dadfailed, tentative, deprecated, temporary };
      const unfit = Object.entries(reasons).find(([, holds]) => holds)?.[0] ?? null;
      return [{ address, family: family === 'inet' ? 4 : 6, device, unfit, tentative }];
    }),
  );
}
