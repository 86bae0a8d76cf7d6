// SPDX-License-Identifier: Apache-2.0
import type { Pool, PoolConfig } from '../types.js';
import type { TransitionName } from './catalogue.js';
import { readingAfter, sameResetKey } from './meaning.js';
import {
  configName,
  hasCids,
  idsUnder,
  type PoolChange,
  placeOfConfig,
  placeOfPool,
  sentence,
} from './pool-change.js';

/** A config that is in both states, under one ID. */
interface ConfigChange extends PoolChange {
  readonly old: PoolConfig;
  readonly now: PoolConfig;
}

/** What becomes of the CIDs of each config. */
export function findConfigTransitions(change: PoolChange): void {
  const { before, after } = change;
  const present = new Map(after.configs.map((config) => [config.id, config]));
  for (const old of before.configs) {
    const now = present.get(old.id);
    if (now === undefined) ofRemoved(change, old);
    else ofPresent({ ...change, old, now });
  }
  const former = new Map(before.configs.map((config) => [config.id, config]));
  for (const now of after.configs) {
    checkStaged(change, former.get(now.id), now);
    if (!former.has(now.id)) checkBits(change, now);
  }
}

function ofRemoved({ before, after, found }: PoolChange, old: PoolConfig): void {
  if (!hasCids(old, before)) return;
  const name = old.state === 'minting' ? 'minting-config-removed' : 'retiring-config-removed';
  found.add(name, after.name, [...placeOfPool(after), 'configs'], () =>
    sentence(
      `${configName(old, after)} is removed while it is ${old.state}, so its CIDs lead to no server any more`,
    ),
  );
}

function ofPresent(change: ConfigChange): void {
  const { before, old, now } = change;
  const reading = readingAfter(old, now);
  const live = hasCids(old, before);
  if (now.state === 'quarantined') {
    if (live && old.state === 'minting') {
      say(
        change,
        'minting-config-quarantined',
        'state',
        () => 'goes from minting to quarantined, so its CIDs lead to no server any more',
      );
    }
  } else if (reading !== 'same') {
    ofOtherMeaning(change, reading, live);
  } else if (old.state === 'quarantined') {
    ofRevived(change);
  } else if (live) {
    ofLive(change);
  }
}

function ofOtherMeaning(change: ConfigChange, reading: 'key' | 'layout', live: boolean): void {
  const { old, now } = change;
  if (live && reading === 'key') {
    say(
      change,
      'key-changed',
      'keyFile',
      () =>
        `gets another key while it is ${old.state}, so every CID that clients have becomes unreadable`,
    );
  } else if (live) {
    say(
      change,
      'layout-changed',
      'scheme',
      () =>
        `becomes ${layoutOf(now)} in place of ${layoutOf(old)} while it is ${old.state}, so every CID that clients have becomes unreadable`,
    );
  } else if (old.state === 'quarantined') {
    say(
      change,
      'config-id-reused',
      'id',
      () =>
        'gets another meaning in the change that ends its quarantine, so CIDs that clients still remember are read as those of any server',
    );
  }
  if (!live && old.state !== 'quarantined') return;
  if (old.resetKey === null || now.resetKey === null || !sameResetKey(old, now)) return;
  say(
    change,
    'reset-key-kept',
    'resetKeyFile',
    () =>
      'gets another meaning and keeps its reset key, so a CID that was issued before can come again with its reset token',
  );
}

function ofRevived(change: ConfigChange): void {
  const { now } = change;
  if (now.state === 'retiring') {
    say(change, 'quarantine-undone', 'state', () => 'goes back from quarantined to retiring');
  } else {
    say(
      change,
      'config-revived',
      'state',
      () =>
        `goes back from quarantined to ${now.state}, though its server IDs may have changed hands in between, and who has them now would repeat nonces`,
    );
  }
}

/** Of a config whose CIDs clients have, and which balancers go on reading. */
function ofLive(change: ConfigChange): void {
  const { old, now } = change;
  if (now.state === 'staged') {
    say(
      change,
      'config-back-to-staged',
      'state',
      () =>
        `goes back from ${old.state} to staged, which says that nobody has CIDs of it: from there it can be removed or changed without a warning`,
    );
  }
  const { nonceLength, cidLength } = old.codec;
  // A running sidecar goes on in the length that it has, and CIDs of two lengths are never equal.
  const fitted = now.codec.cidLength === cidLength ? now.codec : now.codec.ofLength?.(cidLength);
  if (fitted !== undefined && fitted.nonceLength !== nonceLength) {
    say(
      change,
      'nonce-length-changed',
      'nonceLength',
      () =>
        `gets nonces of ${fitted.nonceLength} octets in place of ${nonceLength}, which begin at random places, so CIDs can come again`,
    );
  }
  if (now.codec.lease.lengthSelfEncoded !== old.codec.lease.lengthSelfEncoded) {
    say(
      change,
      'self-encoding-changed',
      'lengthSelfEncoded',
      () =>
        `gets CIDs whose first octet ${now.codec.lease.lengthSelfEncoded ? 'carries' : 'no longer carries'} their length`,
    );
  }
  if (!sameResetKey(old, now)) {
    say(
      change,
      'reset-key-changed',
      'resetKeyFile',
      () =>
        `gets another reset key while it is ${old.state}, so that after a restart no server can reset the connections which are there now`,
    );
  }
}

/** A config that is minted has to have been with the balancers before, with its IDs. */
function checkStaged(change: PoolChange, former: PoolConfig | undefined, now: PoolConfig): void {
  const { before, after, counterparts, found } = change;
  if (now.state !== 'minting' || former?.state === 'minting') return;
  if (before.servers.length === 0) return; // Nobody was there who could have connections.
  if (!after.servers.some((server) => idsUnder(server, now).length > 0)) return;
  const same = former !== undefined && readingAfter(former, now) === 'same';
  // That every CID becomes unreadable is said already.
  if (former !== undefined && !same && hasCids(former, before)) return;
  const place = [...placeOfConfig(after, now), 'state'];
  if (former === undefined || !same || former.state === 'quarantined') {
    found.add('minted-before-staged', after.name, place, () =>
      sentence(
        `${configName(now, after)} is minting and was not staged in this form, so servers issue CIDs that balancers may not read yet`,
      ),
    );
    return;
  }
  for (const server of before.servers) {
    const present = counterparts.servers.get(server);
    if (present?.pool !== after || present.server.state === 'down') continue;
    if (idsUnder(server, former).length > 0) continue;
    if (idsUnder(present.server, now).length === 0) continue;
    const path = [...placeOfPool(after), 'servers', present.index, 'serverIds', String(now.id)];
    found.add('minted-before-staged', after.name, path, () =>
      sentence(
        `${configName(now, after)} is minting, and server ${present.server.name} had no ID under it while it was staged, so it issues CIDs that balancers may not read yet`,
      ),
    );
  }
}

/** A new config can claim bits of another ID, as those of Katran do. */
function checkBits({ before, after, found }: PoolChange, now: PoolConfig): void {
  if (now.state === 'quarantined') return;
  const bits = new Set(now.codec.decodePlan.configBits);
  const former = before.configs.find(
    ({ state, codec }) =>
      state === 'quarantined' && codec.decodePlan.configBits.some((each) => bits.has(each)),
  );
  if (former === undefined) return;
  found.add('config-id-reused', after.name, [...placeOfConfig(after, now), 'id'], () =>
    sentence(
      `${configName(now, after)} claims bits of config ${former.id} in the change that ends its quarantine, so CIDs that clients still remember are read as those of any server`,
    ),
  );
}

function say(
  { after, now, found }: ConfigChange,
  name: TransitionName,
  field: string,
  what: () => string,
): void {
  found.add(name, after.name, [...placeOfConfig(after, now), field], () =>
    sentence(`${configName(now, after)} ${what()}`),
  );
}

function layoutOf({ codec }: Pool['configs'][number]): string {
  const { algorithm, serverIdLength, nonceLength } = codec;
  return `${algorithm} (server IDs of ${serverIdLength} octets, nonces of ${nonceLength})`;
}
