// SPDX-License-Identifier: Apache-2.0
import type { Pool } from '../types.js';
import type { Report } from './report.js';
import type { Path } from './source.js';

/** Servers without an ID that are named one by one. */
const NAMED = 5;

/**
 * Warns of servers whose sidecars have nothing to mint, so that their CIDs are 0b111 and lead
 * to no server. A pool without configs means it, and so does a server that is down.
 */
export function checkSomethingMints({ configs, servers }: Pool, path: Path, report: Report): void {
  if (configs.length === 0 || servers.length === 0) return;
  const minting = configs.findIndex(({ state }) => state === 'minting');
  const config = configs[minting];
  if (config === undefined) {
    report.warn([...path, 'configs'], 'none is minting: all CIDs of this pool are 0b111');
    return;
  }
  // A store looks at a hundred thousand servers after every change, so nothing is made of each.
  let some = false;
  let more = -NAMED;
  const without: number[] = [];
  for (let index = 0; index < servers.length; index += 1) {
    const server = servers[index];
    if (server === undefined) continue;
    if ((server.serverIds.get(config.id)?.length ?? 0) > 0) some = true;
    else if (server.state !== 'down') {
      more += 1;
      if (without.length < NAMED) without.push(index);
    }
  }
  if (!some) {
    const place = [...path, 'configs', minting];
    report.warn(place, 'is minting, and no server has an ID under it: all CIDs are 0b111');
    return;
  }
  for (const index of without) {
    report.warn(
      [...path, 'servers', index],
      `has no server ID under the minting config ${config.id}: its CIDs are 0b111`,
    );
  }
  if (more > 0) {
    const message = `and ${more} more have no server ID under the minting config ${config.id}`;
    report.warn([...path, 'servers'], message);
  }
}
