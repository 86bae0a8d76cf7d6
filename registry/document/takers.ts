// SPDX-License-Identifier: Apache-2.0
import type { Server, Vip } from '../types.js';
import type { Report } from './report.js';
import type { Path } from './source.js';

/** What {@link checkTakers} needs of a pool. */
interface PoolTakers {
  readonly vips: readonly Pick<Vip, 'port'>[];
  readonly servers: readonly Pick<Server, 'state' | 'weight'>[];
  /** Where it is there, servers can register themselves. */
  readonly allocation?: unknown;
}

/** Warns of VIPs whose new connections no server takes. */
export function checkTakers(
  { vips, servers, allocation }: PoolTakers,
  path: Path,
  report: Report,
): void {
  if (vips.length === 0) return;
  const place = [...path, 'servers'];
  const lost = 'new connections to its VIPs are dropped';
  if (servers.length === 0) {
    const until = allocation === undefined ? '' : 'until sidecars register, ';
    report.warn(place, `is empty: ${until}${lost}`);
  } else if (servers.every(({ weight }) => weight === 0)) {
    report.warn(place, `all have weight 0: ${lost}`);
  } else if (!servers.some(({ state, weight }) => state === 'active' && weight > 0)) {
    report.warn(place, `none is active, with a weight above 0: ${lost}`);
  }
}
