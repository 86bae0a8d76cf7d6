// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import { difference, IdList } from './id-list.js';
import type { IdChange } from './operation.js';
import type { ConfigEntry } from './tables.js';

/** One change for each ID whose owner differs; an ID that moves is set once, not cleared first. */
export function idChanges(actual: ConfigEntry, target: ConfigEntry): IdChange[] {
  const changes = new Map<string, IdChange>();
  const none = new IdList(0, new Uint8Array());
  const added: IdChange[] = [];
  for (const real of new Set([...actual.ids.keys(), ...target.ids.keys()])) {
    const had = actual.ids.get(real) ?? none;
    const wants = target.ids.get(real) ?? none;
    if (had.equals(wants)) continue;
    const changed = difference(had, wants);
    for (const serverId of changed.removed) changes.set(toHex(serverId), { serverId, real: 0 });
    for (const serverId of changed.added) added.push({ serverId, real });
  }
  for (const change of added) changes.set(toHex(change.serverId), change);
  return [...changes.values()];
}
