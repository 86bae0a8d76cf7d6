// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { heldByAll } from '../../registry/etcd/fleet/index.js';
import type { Allocation, ConfigState, ServerState, Vip } from '../../registry/index.js';
import { addListing } from '../fleet/listing.js';
import type { FleetSnapshot } from '../fleet/snapshot.js';
import { type Column, shortList } from '../fleet/table.js';
import type { Io } from '../io.js';

/** One pool, for programs. */
interface PoolRow {
  readonly pool: string;
  readonly vips: readonly Vip[];
  /** IDs of its configs, by state. */
  readonly configs: Readonly<Partial<Record<ConfigState, readonly number[]>>>;
  /** Servers, by state. */
  readonly servers: Readonly<Record<ServerState, number>>;
  /** Servers whose sidecar gives a sign of life. */
  readonly live: number;
  /** IDs at rest. */
  readonly resting: number;
  readonly allocation: Allocation | null;
  /** The agent that is its controller. */
  readonly controller: string | null;
  /** The record of its rotation, as it is. */
  readonly rotation: unknown;
  /** The revision that all agents hold; null where none has joined. */
  readonly heldByAll: number | null;
  /** What is wrong or out of date, in words. */
  readonly stale: readonly string[];
}

const COLUMNS: readonly Column<PoolRow>[] = [
  { title: 'pool', text: ({ pool }) => pool },
  { title: 'vips', text: ({ vips }) => shortList(vips.map(vipText), 2) },
  { title: 'configs', text: configsText, stale: ({ stale }) => stale.includes(NOTHING_MINTS) },
  { title: 'servers', text: serversText },
  {
    title: 'sidecars',
    text: ({ live, servers }) => `${live} of ${total(servers)} live`,
    stale: ({ live, servers }) => live < total(servers) - servers.down,
  },
  { title: 'at rest', text: ({ resting }) => String(resting) },
  {
    title: 'controller',
    text: ({ controller }) => controller ?? 'none',
    stale: ({ controller, allocation }) => controller === null && allocation !== null,
  },
  { title: 'rotation', text: ({ rotation }) => rotationText(rotation) },
  {
    title: 'held by all',
    text: (row) => (row.heldByAll === null ? 'no balancer' : `etcd-${row.heldByAll}`),
    stale: (row) => row.stale.includes(BEHIND) || row.heldByAll === null,
  },
  { title: 'remarks', text: ({ stale }) => stale.join('; '), stale: () => true },
];

const NOTHING_MINTS = 'no config is minting';
const BEHIND = 'some balancer is behind';

export function addPools(program: Command, io: Io, schemes: Schemes): void {
  addListing<PoolRow>(program, io, schemes, {
    name: 'pools',
    description: 'Show the pools of a registry that hosts share.',
    byPool: false,
    rows: poolRows,
    columns: COLUMNS,
  });
}

function poolRows({ pools, view, revision }: FleetSnapshot): PoolRow[] {
  const held = heldByAll(view) ?? null;
  return pools.map(({ name, vips, value, configs, servers }): PoolRow => {
    const byState: Partial<Record<ConfigState, number[]>> = {};
    for (const [id, { shape }] of configs.values) {
      byState[shape.state] = [...(byState[shape.state] ?? []), id];
    }
    const count = { active: 0, draining: 0, down: 0 };
    for (const { state } of servers.list) count[state] += 1;
    let resting = 0;
    for (const folder of view.rests.folders) {
      if (folder.split('/')[0] !== name) continue;
      for (const rest of view.rests.in(folder).values()) resting += rest.value.count;
    }
    const stale = [
      ...(configs.isEmpty || byState.minting ? [] : [NOTHING_MINTS]),
      ...(held !== null && held < revision ? [BEHIND] : []),
    ];
    return {
      pool: name,
      vips,
      configs: byState,
      servers: count,
      live: servers.list.filter((server) => view.liveServers.in(name).has(server.name)).length,
      resting,
      allocation: value?.allocation ?? null,
      controller: view.controllers.get(name)?.value.agent ?? null,
      rotation: view.rotations.get(name)?.value ?? null,
      heldByAll: held,
      stale,
    };
  });
}

function vipText({ address, port, protocol }: Vip): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}/${protocol}`;
}

function configsText({ configs }: PoolRow): string {
  return Object.entries(configs)
    .map(([state, ids]) => `${ids.join(',')} ${state}`)
    .join(', ');
}

function serversText({ servers }: PoolRow): string {
  const parts = Object.entries(servers).flatMap(([state, count]) =>
    count > 0 ? [`${count} ${state}`] : [],
  );
  return parts.join(', ') || 'none';
}

function total(servers: PoolRow['servers']): number {
  return servers.active + servers.draining + servers.down;
}

function rotationText(rotation: unknown): string {
  if (typeof rotation !== 'object' || rotation === null) return '';
  const step: unknown = Reflect.get(rotation, 'step');
  return typeof step === 'string' ? step : 'going on';
}
