// SPDX-License-Identifier: Apache-2.0
import type { Route } from '../next-hops/ip.js';
import type { HostAddress } from './addresses.js';

export interface Circumstances {
  readonly family: 4 | 6;
  /** The one that packets come in by. */
  readonly interface: string;
  readonly addresses: readonly HostAddress[];
  readonly vips: ReadonlySet<string>;
  /** To servers of this family. */
  readonly routes: Iterable<Route>;
  /** The source so far. It is kept as long as it may be used, or flows would change paths. */
  readonly current: string | null;
}

export interface Choice {
  readonly address: string | null;
  /** Why this one; or what is wrong with those that there are. */
  readonly because: string;
  /** None may be used yet, and one may soon. */
  readonly waiting: boolean;
}

/**
 * The address that tunnels of one family come from. Never a VIP: servers take tunnels from
 * balancers alone, and have the VIP themselves. The routes come first, because `src` is how a
 * host's operator says which address is its own; then the interface's addresses in their order.
 */
export function chooseSource(circumstances: Circumstances): Choice {
  const { family, interface: name, vips, current } = circumstances;
  const addresses = circumstances.addresses.filter((each) => each.family === family);
  const wrong = ({ address, unfit }: HostAddress) => (vips.has(address) ? 'a VIP' : unfit);
  const fit = addresses.filter((each) => wrong(each) === null);
  const chosen = (address: string, because: string) => ({ address, because, waiting: false });

  if (current !== null && fit.some(({ address }) => address === current)) {
    return chosen(current, 'it still holds');
  }
  const bySource = new Map<string, number>();
  for (const { device, source } of circumstances.routes) {
    if (device !== name || source === null) continue;
    if (!fit.some(({ address }) => address === source)) continue;
    bySource.set(source, (bySource.get(source) ?? 0) + 1);
  }
  const [most] = [...bySource].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  if (most !== undefined) return chosen(most[0], 'routes to servers have it as their source');

  const own = fit.find(({ device }) => device === name);
  if (own !== undefined) return chosen(own.address, `the first address of ${name} that may`);

  const others = addresses.filter(({ device }) => device === name);
  const said = others.map((each) => `${each.address} is ${wrong(each)}`);
  return {
    address: null,
    because: said.length === 0 ? `${name} has none` : said.join(', '),
    waiting: others.some(({ address, tentative }) => tentative && !vips.has(address)),
  };
}
