// SPDX-License-Identifier: Apache-2.0

import { readAddress } from '../../core/address.js';
import type { PoolConfig, Server } from '../types.js';
import { Owners } from './owners.js';
import type { Report } from './report.js';
import { readServerIds, type ServerIdBudget } from './server-ids.js';
import type { PoolShape } from './shape.js';
import type { Path } from './source.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';

/** Builds the servers of a pool and checks who owns which ID. */
export function* readServers(
  pool: PoolShape,
  configs: readonly PoolConfig[],
  path: Path,
  report: Report,
  budget: ServerIdBudget,
): Steps<Server[]> {
  const owners = new Owners(report);
  const servers: Server[] = [];
  let count = 0;
  for (const [index, shape] of pool.servers.entries()) {
    if (++count % ITEMS_PER_STEP === 0) yield;
    const place: Path = [...path, 'servers', index];
    const reading = readAddress(shape.address);
    if ('problem' in reading) report.error([...place, 'address'], reading.problem);

    const serverIds = new Map<number, readonly Uint8Array[]>();
    for (const [id, value] of Object.entries(shape.serverIds)) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const idPlace: Path = [...place, 'serverIds', id];
      const config = configs.find((candidate) => String(candidate.id) === id);
      if (config === undefined) {
        // Where a config is invalid itself, that was reported already.
        if (pool.configs.length === configs.length) {
          report.error(idPlace, () => noSuchConfig(configs));
        }
        continue;
      }
      const ids = yield* readServerIds(value, config.codec, idPlace, report, budget);
      yield* owners.claim(config, ids, shape.name, idPlace);
      serverIds.set(config.id, ids);
    }
    if ('problem' in reading) continue;
    const { serverIds: _, address, ...rest } = shape;
    servers.push({ ...rest, address: reading.address.text, serverIds });
  }
  return servers;
}

export function noSuchConfig(configs: readonly PoolConfig[]): string {
  return `names no config of this pool (${namesOf(configs)})`;
}

function namesOf(configs: readonly PoolConfig[]): string {
  return configs.length === 0 ? 'it has none' : configs.map((config) => config.id).join(', ');
}
