// SPDX-License-Identifier: Apache-2.0
import type { Path } from '../document/path.js';
import { ITEMS_PER_STEP, type Steps } from '../document/steps.js';
import type { Server } from '../types.js';
import type { ServerPlace } from './counterparts.js';
import {
  counted,
  holdsConnections,
  type PoolChange,
  placeOfPool,
  sentence,
  serverName,
  takesConnections,
} from './pool-change.js';

/** What becomes of the connections of each server. */
export function* findServerTransitions(change: PoolChange): Steps<void> {
  const { before, after, counterparts, found } = change;
  const servers: Path = [...placeOfPool(after), 'servers'];
  const gone = (server: Server) => counterparts.servers.get(server)?.pool !== after;
  const emptied = holdsConnections(before) && before.servers.every(gone);
  if (emptied) {
    found.add('pool-emptied', after.name, servers, () =>
      sentence(
        `pool ${after.name} loses ${before.servers.length === 1 ? 'its one server' : `all of its ${counted(before.servers.length, 'server')}`} at once, with all connections`,
      ),
    );
  }
  for (const [index, server] of before.servers.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    const place = counterparts.servers.get(server);
    if (place !== undefined && !gone(server)) ofPresent(change, server, place);
    else if (!emptied && takesConnections(server)) ofGone(change, server, place);
  }
  if (!emptied && after.vips.length > 0 && holdsConnections(before) && !holdsConnections(after)) {
    found.add('no-server-takes-connections', after.name, servers, () =>
      sentence(
        `no server of pool ${after.name} is active with a weight above 0 any more, so new connections to its VIPs are dropped`,
      ),
    );
  }
}

function ofGone(change: PoolChange, server: Server, place: ServerPlace | undefined): void {
  const { after, found } = change;
  if (place === undefined) {
    found.add('server-removed', after.name, [...placeOfPool(after), 'servers'], () =>
      sentence(
        `${serverName(server, after)} is removed while it is active, and its connections with it`,
      ),
    );
    return;
  }
  const { pool, index } = place;
  found.add('server-moved-to-pool', after.name, ['pools', pool.name, 'servers', index], () =>
    sentence(
      `${serverName(server, after)} moves to pool ${pool.name} while it is active, so the connections that it has by the VIPs of pool ${after.name} are lost`,
    ),
  );
}

function ofPresent({ after, found }: PoolChange, old: Server, { server, index }: ServerPlace) {
  const path: Path = [...placeOfPool(after), 'servers', index];
  if (old.name !== server.name) {
    found.add('server-renamed', after.name, [...path, 'name'], () =>
      sentence(
        `${serverName(old, after)} is now called ${server.name}: a sidecar that runs by the former name issues 0b111 CIDs, and one that begins without the former state folder repeats nonces`,
      ),
    );
  }
  if (takesConnections(old) && server.state === 'down') {
    found.add('server-down-at-once', after.name, [...path, 'state'], () =>
      sentence(
        `${serverName(server, after)} goes from active to down, so its CIDs lead to it no more`,
      ),
    );
  }
  if (old.state === 'down' || server.state === 'down') return;
  if (old.address !== server.address) {
    found.add('server-address-changed', after.name, [...path, 'address'], () =>
      sentence(
        `${serverName(server, after)} moves from ${old.address} to ${server.address} while it is ${old.state}, and its connections do not`,
      ),
    );
  }
  if (old.encapsulation !== server.encapsulation) {
    found.add('encapsulation-changed', after.name, [...path, 'encapsulation'], () =>
      sentence(
        `${serverName(server, after)} gets its packets by ${server.encapsulation} in place of ${old.encapsulation}`,
      ),
    );
  }
  const tokens = ({ resetTokens = 'cmac' }: Server) => resetTokens;
  if (tokens(old) !== tokens(server) && old.serverIds.size > 0) {
    found.add('reset-tokens-changed', after.name, [...path, 'resetTokens'], () =>
      sentence(
        `${serverName(server, after)} makes reset tokens by ${tokens(server)} in place of ${tokens(old)}, so that after a restart it cannot reset the connections which are there now`,
      ),
    );
  }
}
