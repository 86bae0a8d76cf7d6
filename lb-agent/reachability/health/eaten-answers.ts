// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { familyOf } from '../../../core/index.js';
import { type ReversePathFilter, readNetconf, reversePathFilter } from '../netconf.js';
import type { Ip } from '../next-hops/ip.js';

/**
 * Reads a setting of the kernel, such as `net/ipv4/conf/all/accept_local`; 0 where it cannot be
 * read, as in a hardened unit.
 */
export type ReadSetting = (name: string) => Promise<number>;

const routes = z.array(z.object({ dst: z.string(), type: z.string().optional() }));
/** As sysctl(8) shows them. */
const NUMBERS: Readonly<Record<ReversePathFilter, number>> = { off: 0, strict: 1, loose: 2 };
const REFUSING = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

export const readSetting: ReadSetting = async (name) => {
  try {
    return Number.parseInt(await readFile(`/proc/sys/${name}`, 'utf8'), 10);
  } catch {
    return 0;
  }
};

/**
 * Why this host drops the answers of servers, which come from a VIP; by VIP. The kernel says
 * nothing of it. IPv6 has no such filters.
 *
 * @param device by which answers come in
 */
export async function eatenAnswers(
  vips: Iterable<string>,
  device: string,
  ip: Ip,
  read: ReadSetting = readSetting,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const filter = NUMBERS[reversePathFilter(await readNetconf(ip), device) ?? 'off'];
  const acceptsLocal = async () => {
    const of = (conf: string) => read(`net/ipv4/conf/${conf}/accept_local`);
    return Math.max(await of('all'), await of(device)) > 0;
  };
  for (const vip of new Set(vips)) {
    if (familyOf(vip) === 6) continue;
    const type = await typeOfRoute(vip, ip);
    if (type === 'local') {
      if (!(await acceptsLocal())) {
        const say = `${vip} is an address of this host, which therefore drops answers from it: take it off, or set net.ipv4.conf.${device}.accept_local=1 and rp_filter=2`;
        found.set(vip, say);
      } else if (filter === 1) {
        found.set(
          vip,
          `${vip} is an address of this host, and rp_filter=1 drops answers from it: set it to 2`,
        );
      }
    } else if (type !== undefined && REFUSING.has(type) && filter > 0) {
      const say = `a ${type} route of this host for ${vip} and rp_filter=${filter} drop answers from it: take the route off, or set net.ipv4.conf.${device}.rp_filter=0 and that of all`;
      found.set(vip, say);
    }
  }
  return found;
}

/** Type of the most specific route; undefined where it leads to another host, or there is none. */
async function typeOfRoute(address: string, ip: Ip): Promise<string | undefined> {
  const output = await ip(['-j', '-4', 'route', 'show', 'table', 'all', 'to', 'match', address]);
  const length = (dst: string) => (dst === 'default' ? 0 : Number(dst.split('/')[1] ?? 32));
  const matching = routes.parse(JSON.parse(output === '' ? '[]' : output));
  const [best] = matching.sort((a, b) => length(b.dst) - length(a.dst));
  return best?.type;
}
