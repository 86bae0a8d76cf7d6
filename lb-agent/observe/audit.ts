// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { DesiredState, Pool } from '../../registry/index.js';
import type { AgentRecord } from '../reconcile/record.js';
import { type ConfigEntry, type RealEntry, type Tables, vipKey } from '../reconcile/tables.js';

/**
 * How the kernel differs from the registry: `missing`, it lacks what the registry has; `extra`, it
 * has what the registry has not; `wrong real`, it leads to another server; `other key`, a config
 * decodes in another way, which a key does that is not the same; `stale`, it holds another
 * revision; `differs`, anything else.
 */
export type AuditKind = 'missing' | 'extra' | 'wrong real' | 'other key' | 'stale' | 'differs';

export interface AuditFinding {
  readonly kind: AuditKind;
  readonly table: 'vips' | 'servers' | 'configs' | 'server IDs' | 'revision';
  /** Name of the pool; null where the kernel alone knows it, or it is about no pool. */
  readonly pool: string | null;
  /** For people. Never a key. */
  readonly what: string;
}

/**
 * Compares tables that were read by `desired` with it.
 *
 * @param record of the agent whose tables they are; without it, a pool is found by its VIPs alone
 */
export function auditTables(
  tables: Tables,
  desired: DesiredState,
  record: AgentRecord | undefined,
): AuditFinding[] {
  const indices = poolIndices(tables, desired, record);
  const reals = realsByAddress(tables);
  return [
    ...revision(desired, record),
    ...desired.pools.flatMap((pool) => [
      ...vips(tables, pool, indices.get(pool.name)),
      ...servers(reals, pool),
      ...configs(tables, pool, indices.get(pool.name)),
    ]),
    ...extras(tables, desired, indices),
  ];
}

function poolIndices(tables: Tables, { pools }: DesiredState, record: AgentRecord | undefined) {
  const indices = new Map<string, number>();
  for (const { name, vips } of pools) {
    const known = record?.pools.find((pool) => pool.name === name)?.index;
    const byVip = vips.map((vip) => tables.vips.get(vipKey(vip))?.pool);
    const index = known ?? byVip.find((pool) => pool !== undefined);
    if (index !== undefined) indices.set(name, index);
  }
  return indices;
}

function* revision(
  desired: DesiredState,
  record: AgentRecord | undefined,
): Generator<AuditFinding> {
  if (record === undefined || record.revision === desired.revision) return;
  const what = `the agent applied ${record.revision} last, and the registry has ${desired.revision}`;
  yield { kind: 'stale', table: 'revision', pool: null, what };
}

function* vips(tables: Tables, pool: Pool, index: number | undefined): Generator<AuditFinding> {
  const about = { table: 'vips', pool: pool.name } as const;
  for (const vip of pool.vips) {
    const what = vipKey(vip);
    const found = tables.vips.get(what);
    if (found === undefined) yield { ...about, kind: 'missing', what };
    else if (found.pool !== index)
      yield { ...about, kind: 'differs', what: `${what}: another pool` };
    else if (found.quic !== vip.quic) {
      yield { ...about, kind: 'differs', what: `${what}: quic is ${found.quic}` };
    }
  }
}

type Reals = ReadonlyMap<string, readonly RealEntry[]>;

function realsByAddress(tables: Tables): Reals {
  const reals = new Map<string, RealEntry[]>();
  for (const real of tables.reals.values()) {
    const known = reals.get(real.address);
    if (known === undefined) reals.set(real.address, [real]);
    else known.push(real);
  }
  return reals;
}

function* servers(byAddress: Reals, pool: Pool): Generator<AuditFinding> {
  for (const { name, address, encapsulation, state } of pool.servers) {
    const about = { table: 'servers', pool: pool.name } as const;
    const reals = byAddress.get(address) ?? [];
    const found = reals.find((real) => real.encapsulation === encapsulation) ?? reals[0];
    const what = `${name} (${address})`;
    if (found === undefined) yield { ...about, kind: 'missing', what };
    else if (found.encapsulation !== encapsulation) {
      yield { ...about, kind: 'differs', what: `${what}: ${found.encapsulation}` };
    } else if (state === 'down' && !found.down) {
      yield { ...about, kind: 'differs', what: `${what}: takes packets, although it is down` };
    }
  }
}

function* configs(tables: Tables, pool: Pool, index: number | undefined): Generator<AuditFinding> {
  const about = { pool: pool.name } as const;
  const held = tables.pools.get(index ?? -1)?.configs;
  for (const { id, state, codec, unread } of pool.configs) {
    if (state === 'quarantined' || pool.vips.length === 0) continue;
    const found = held?.get(id);
    const what = `config ${id}`;
    if (found === undefined) {
      yield { ...about, table: 'configs', kind: 'missing', what };
      continue;
    }
    // A decode plan of no octets is that of a config which decodes as none of the document.
    const other = found.decodePlan.minimumLength === 0;
    if (other && unread?.includes('cids') !== true) {
      const why = codec.decodePlan.key === null ? 'decodes in another way' : 'has another key';
      yield { ...about, table: 'configs', kind: 'other key', what: `${what} ${why}` };
    }
    yield* ids(tables, pool, id, found);
  }
  for (const id of held?.keys() ?? []) {
    const wanted = pool.configs.find((config) => config.id === id);
    if (wanted !== undefined && wanted.state !== 'quarantined') continue;
    yield { ...about, table: 'configs', kind: 'extra', what: `config ${id}` };
  }
}

function* ids(
  tables: Tables,
  pool: Pool,
  config: number,
  { ids: held }: ConfigEntry,
): Generator<AuditFinding> {
  const about = { table: 'server IDs', pool: pool.name } as const;
  const owners = new Map<string, string>();
  for (const [real, list] of held) {
    const address = tables.reals.get(real)?.address ?? `real ${real}, which is not programmed`;
    for (const id of list) owners.set(toHex(id), address);
  }
  for (const { name, address, serverIds } of pool.servers) {
    for (const id of serverIds.get(config) ?? []) {
      const hex = toHex(id);
      const owner = owners.get(hex);
      owners.delete(hex);
      const what = `${hex} of ${name} under config ${config}`;
      if (owner === undefined) yield { ...about, kind: 'missing', what };
      else if (owner !== address) {
        yield { ...about, kind: 'wrong real', what: `${what}: leads to ${owner}, not ${address}` };
      }
    }
  }
  for (const [hex, owner] of owners) {
    const what = `${hex} under config ${config} leads to ${owner}`;
    yield { ...about, kind: 'extra', what };
  }
}

function* extras(
  tables: Tables,
  { pools }: DesiredState,
  indices: ReadonlyMap<string, number>,
): Generator<AuditFinding> {
  const wanted = new Set(pools.flatMap((pool) => pool.vips.map(vipKey)));
  for (const what of tables.vips.keys()) {
    if (!wanted.has(what)) yield { kind: 'extra', table: 'vips', pool: null, what };
  }
  const addresses = new Set(pools.flatMap((pool) => pool.servers.map(({ address }) => address)));
  for (const [index, { address }] of tables.reals) {
    if (addresses.has(address)) continue;
    yield { kind: 'extra', table: 'servers', pool: null, what: `${address} (real ${index})` };
  }
  const known = new Set(indices.values());
  for (const [index, { configs: held }] of tables.pools) {
    if (known.has(index)) continue;
    for (const id of held.keys()) {
      const what = `config ${id} of pool ${index}`;
      yield { kind: 'extra', table: 'configs', pool: null, what };
    }
  }
}
