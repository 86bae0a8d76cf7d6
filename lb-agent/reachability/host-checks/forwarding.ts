// SPDX-License-Identifier: Apache-2.0
import { familyOf } from '../../../core/index.js';
import { readNetconf } from '../netconf.js';
import { type Ip, readRoutes } from '../next-hops/ip.js';

/**
 * The VIPs whose packets this host would forward where the program passes them: pings, and
 * ports that no VIP has. They go back to the router, which sends them here again, until their
 * TTL has run out. A VIP that is local here, or has a blackhole route, is not among them.
 *
 * @param device the one that packets come in by
 */
export async function forwardedVips(
  vips: Iterable<string>,
  device: string,
  ip: Ip,
): Promise<string[]> {
  const forwards = (await readNetconf(ip)).filter(({ forwarding }) => forwarding);
  // IPv4 asks the interface that a packet came in by, IPv6 the host.
  const four = forwards.some((each) => each.family === 'inet' && each.interface === device);
  const six = forwards.some((each) => each.family === 'inet6' && each.interface === 'all');
  const asked = [...new Set(vips)].filter((vip) => (familyOf(vip) === 6 ? six : four));
  if (asked.length === 0) return [];
  const routes = await readRoutes(asked, ip);
  return asked.filter((vip) => {
    const route = routes.get(vip);
    return route !== undefined && route.type === undefined;
  });
}
