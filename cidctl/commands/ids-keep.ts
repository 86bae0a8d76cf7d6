// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { put, rangeUnchanged, unchanged } from '../../registry/etcd/client/index.js';
import { hexOfNumber } from '../../registry/etcd/fleet/index.js';
import {
  assembled,
  eventPut,
  idAfter,
  isName,
  leaseForEvents,
  readDesired,
  stateOf,
  valueText,
} from '../../registry/etcd/index.js';
import type { Pool, PoolConfig } from '../../registry/index.js';
import type { SharedRegistry } from '../shared-registry.js';

export interface Keeping {
  readonly pool: string;
  readonly id: string;
  /** Undefined where nobody gets them. */
  readonly server: string | undefined;
  readonly config?: string;
  readonly count?: string;
  readonly why?: string;
}

export interface Kept {
  /** `<config>/<first ID>` */
  readonly keys: readonly string[];
  readonly revision: number;
}

/**
 * Reserves or pins IDs. Nobody else may own one of them; a server for which they are pinned may.
 *
 * @throws CidecarError ARGUMENT_INVALID; REGISTRY_CHANGED where something changed meanwhile
 */
export async function keepIds(
  { client, keys, keyring, by }: SharedRegistry,
  keeping: Keeping,
  schemes: Schemes,
): Promise<Kept> {
  const { server, why } = keeping;
  if (server !== undefined && !isName(server)) {
    throw new CidecarError('ARGUMENT_INVALID', `${server} is no name of a server`);
  }
  const count = countOf(keeping.count);
  const { entries, revision } = await readDesired(client, keys);
  const state = stateOf(assembled(entries.values(), { keys, keyring, schemes }));
  if (state instanceof CidecarError) throw state;
  const pool = poolNamed(state.pools, keeping.pool);
  const kept = configsOf(pool, keeping.config).flatMap((config) => {
    const hex = idIn(keeping.id, config, keeping.config !== undefined);
    if (hex === undefined) return [];
    if (count > 1 && idAfter(hex, count - 1) === undefined) {
      throw new CidecarError('ARGUMENT_INVALID', `${count} IDs from ${hex} do not fit`);
    }
    requireFree(pool, config, hex, count, server);
    return [{ config: config.id, hex }];
  });
  if (kept.length === 0) {
    throw new CidecarError('ARGUMENT_INVALID', `no config has IDs as long as ${keeping.id}`);
  }
  const desired = entries.get(keys.revision)?.modRevision ?? 0;
  const value = valueText({
    ...(server !== undefined && { server }),
    ...(count > 1 && { count }),
    ...(why !== undefined && { why }),
  });
  const names = kept.map(({ config, hex }) => `${config}/${hex}`);
  const what = server === undefined ? 'reserve' : 'pin';
  const words = `${names.join(', ')}${count > 1 ? `, ${count} IDs each` : ''}`;
  const changes = [server === undefined ? words : `${words} for ${server}`];
  const at = new Date().toISOString();
  const lease = await leaseForEvents(client);
  const event = { by, what, changes, pool: pool.name, at };
  const result = await client.kv.txn(
    {
      when: [
        unchanged(keys.revision, desired),
        rangeUnchanged(keys.pinned(pool.name), revision),
        rangeUnchanged(keys.rest(pool.name), revision),
      ],
      success: [
        ...kept.map(({ config, hex }) => put(keys.pinnedId(pool.name, config, hex), value)),
        eventPut(keys, revision, lease, event),
      ],
    },
    { what, giveUpMs: 10_000 },
  );
  if (result.held) return { keys: names, revision: result.revision };
  throw new CidecarError('REGISTRY_CHANGED', 'IDs of the pool changed meanwhile');
}

/** @throws CidecarError ARGUMENT_INVALID */
export function poolNamed(pools: readonly Pool[], name: string): Pool {
  const pool = pools.find((each) => each.name === name);
  if (pool !== undefined) return pool;
  throw new CidecarError('ARGUMENT_INVALID', `there is no pool ${name}`);
}

/** @throws CidecarError ARGUMENT_INVALID */
export function configsOf(pool: Pool, id: string | undefined): readonly PoolConfig[] {
  if (id === undefined) return pool.configs.filter(({ state }) => state !== 'quarantined');
  const config = pool.configs.find((each) => String(each.id) === id);
  if (config !== undefined) return [config];
  throw new CidecarError('ARGUMENT_INVALID', `pool ${pool.name} has no config ${id}`);
}

/**
 * An ID as it is written under a config, of hex digits or a decimal number. Undefined where hex
 * has another length and other configs may suit.
 *
 * @throws CidecarError ARGUMENT_INVALID
 */
export function idIn(text: string, { id, codec }: PoolConfig, only: boolean): string | undefined {
  const octets = codec.serverIdLength;
  const digits = text.toLowerCase().replace(/^0x/, '');
  if (/^[0-9a-f]+$/.test(digits) && digits.length === 2 * octets) return digits;
  if (/^[0-9]+$/.test(text) && Number(text) < Math.min(256 ** octets, 2 ** 32)) {
    return hexOfNumber(Number(text), octets);
  }
  if (!only && /^[0-9a-f]+$/.test(digits)) return undefined;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `config ${id} has IDs of ${octets} octets: ${2 * octets} hex digits, or a number, not ${text}`,
  );
}

function countOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const count = Number(text);
  if (/^[0-9]{1,7}$/.test(text) && count >= 1 && count <= 1_000_000) return count;
  throw new CidecarError('ARGUMENT_INVALID', '--count must be a whole number from 1 to 1000000');
}

function requireFree(
  pool: Pool,
  config: PoolConfig,
  hex: string,
  count: number,
  server: string | undefined,
): void {
  const last = idAfter(hex, count - 1) ?? hex;
  for (const { name, serverIds } of pool.servers) {
    if (name === server) continue;
    const taken = (serverIds.get(config.id) ?? []).map(toHex).find((id) => id >= hex && id <= last);
    if (taken === undefined) continue;
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `server ${name} has ${taken} under config ${config.id}; release it first`,
    );
  }
}
