// SPDX-License-Identifier: Apache-2.0
import type { Pool, PoolConfig } from '../types.js';
import {
  configName,
  idsUnder,
  type PoolChange,
  placeOfConfig,
  placeOfPool,
  sentence,
  serverName,
} from './pool-change.js';

/** Whether the servers of a pool go on minting, in the length that their stacks read. */
export function findMintingTransitions(change: PoolChange): void {
  checkWhatMints(change);
  checkLength(change);
}

function checkWhatMints({ before, after, counterparts, found }: PoolChange): void {
  const old = mintingOf(before);
  if (old === undefined || !after.servers.some(({ state }) => state !== 'down')) return;
  const now = mintingOf(after);
  if (now === undefined) {
    found.add('nothing-mints', after.name, [...placeOfPool(after), 'configs'], () =>
      sentence(
        `no config of pool ${after.name} mints any more (config ${old.id} did), so connections that begin now have 0b111 CIDs, and are lost when the address of their client changes`,
      ),
    );
    return;
  }
  for (const server of before.servers) {
    const present = counterparts.servers.get(server);
    if (present?.pool !== after || server.state === 'down' || present.server.state === 'down') {
      continue;
    }
    if (idsUnder(server, old).length === 0 || idsUnder(present.server, now).length > 0) continue;
    const path = [...placeOfPool(after), 'servers', present.index, 'serverIds'];
    found.add('server-mints-nothing', after.name, path, () =>
      sentence(
        `${serverName(present.server, after)} has no ID under the minting config ${now.id}, so its new connections have 0b111 CIDs, and are lost when the address of their client changes`,
      ),
    );
  }
}

/** The minting config, where a server mints under it. */
function mintingOf({ configs, servers }: Pool): PoolConfig | undefined {
  const minting = configs.find(({ state }) => state === 'minting');
  if (minting === undefined) return undefined;
  const mints = servers.some(
    (server) => server.state !== 'down' && idsUnder(server, minting).length > 0,
  );
  return mints ? minting : undefined;
}

function checkLength({ before, after, found }: PoolChange): void {
  const old = mintingOf(before);
  const now = mintingOf(after);
  if (old === undefined || now === undefined) return;
  const { cidLength } = old.codec;
  if (now.codec.cidLength === cidLength) return;
  const path = placeOfConfig(after, now);
  const what = `${configName(now, after)} gives CIDs of ${now.codec.cidLength} octets in place of ${cidLength}`;
  if (now.codec.ofLength?.(cidLength) === undefined) {
    found.add('cid-length-does-not-fit', after.name, path, () =>
      sentence(
        `${what}, and cannot give shorter ones, so every running sidecar falls back to 0b111 CIDs until it is restarted with its server`,
      ),
    );
  } else {
    found.add('cid-length-changed', after.name, path, () => sentence(what));
  }
}
