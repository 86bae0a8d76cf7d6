// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { quietForAll, quietServer } from '../../registry/etcd/fleet/index.js';
import type { Server } from '../../registry/index.js';
import { addForget } from '../fleet/forget.js';
import { addListing, type ListFlags } from '../fleet/listing.js';
import { type FleetSnapshot, poolsNamed } from '../fleet/snapshot.js';
import { type Column, duration, shortList } from '../fleet/table.js';
import type { Io } from '../io.js';

/** One server, for programs. */
interface ServerRow {
  readonly pool: string;
  readonly server: string;
  /** Null where the registry has marks or a sign of life of it, and no server of this name. */
  readonly address: string | null;
  readonly state: string | null;
  readonly weight: number | null;
  /** Whether its sidecar put it in. */
  readonly registered: boolean;
  /** IDs by config ID. */
  readonly ids: Readonly<Record<string, number>>;
  /** Whether its sidecar gives a sign of life. */
  readonly live: boolean;
  /** ID of the config under which it issues; null where it issues 0b111, or is not live. */
  readonly issuing: number | null;
  /** Agents for which it waits before it issues under something newer. */
  readonly waitingFor: readonly string[];
  /** IDs of the configs under which it may issue, or connections of it are. */
  readonly marks: readonly number[];
  /** Connections on CIDs of other configs, by config ID; null where that cannot be known. */
  readonly older: Readonly<Record<string, number | null>>;
  /** Seconds since any agent sent it a packet, where it is draining or down; null: not known. */
  readonly quietSeconds: number | null;
  /** What is wrong or out of date, in words. */
  readonly stale: readonly string[];
}

const COLUMNS: readonly Column<ServerRow>[] = [
  { title: 'pool', text: ({ pool }) => pool },
  { title: 'server', text: ({ server }) => server },
  { title: 'address', text: ({ address }) => address ?? '' },
  { title: 'state', text: stateText, stale: ({ state }) => state === null },
  { title: 'weight', text: ({ weight }) => String(weight ?? '') },
  { title: 'ids', text: ({ ids }) => counts(ids) },
  { title: 'sidecar', text: sidecarText, stale: ({ stale, live }) => !live && stale.length > 0 },
  { title: 'issues', text: issuesText, stale: ({ stale }) => stale.includes(RANDOM) },
  { title: 'may issue', text: ({ marks }) => marks.join(',') },
  { title: 'older', text: ({ older }) => counts(older) },
  { title: 'no packet for', text: ({ quietSeconds }) => duration(quietSeconds) },
  { title: 'remarks', text: remarks, stale: ({ stale }) => stale.length > 0 },
];

const SILENT = 'no sign of life';
const RANDOM = 'issues 0b111';
const GONE = 'not in the registry any more';

export function addServers(program: Command, io: Io, schemes: Schemes): void {
  const group = addListing<ServerRow>(program, io, schemes, {
    name: 'servers',
    description: 'Show the servers of a registry that hosts share, and what their sidecars say.',
    byPool: true,
    rows: serverRows,
    columns: COLUMNS,
  });
  addForget(group, io, schemes);
}

function serverRows(snapshot: FleetSnapshot, { pool }: ListFlags): ServerRow[] {
  const { view } = snapshot;
  const rows: ServerRow[] = [];
  for (const { name, servers } of poolsNamed(snapshot, pool)) {
    const marks = marksByServer(snapshot, name);
    const live = view.liveServers.in(name);
    const gone = new Set([...marks.keys(), ...live.keys()]);
    for (const server of servers.list) gone.delete(server.name);
    const places = [
      ...servers.list.map((server) => ({ name: server.name, server })),
      ...[...gone].sort().map((each) => ({ name: each, server: undefined })),
    ];
    for (const place of places) {
      const registered = servers.get(place.name)?.value.registered ?? false;
      const known = { ...place, pool: name, registered, marks: marks.get(place.name) ?? [] };
      rows.push(rowOf(snapshot, known));
    }
  }
  return rows;
}

interface KnownServer {
  readonly pool: string;
  readonly name: string;
  /** Undefined where the registry has none of this name any more. */
  readonly server: Server | undefined;
  readonly registered: boolean;
  readonly marks: readonly number[];
}

function rowOf({ view }: FleetSnapshot, known: KnownServer): ServerRow {
  const { pool, name, server, registered, marks } = known;
  const live = view.liveServers.get(`${pool}/${name}`)?.value;
  const state = server?.state ?? null;
  const stale: string[] = [];
  if (server === undefined) stale.push(GONE);
  if (live === undefined && (state !== 'down' || marks.length > 0)) stale.push(SILENT);
  if (live !== undefined && live.issuing === null && state === 'active') stale.push(RANDOM);
  return {
    pool,
    server: name,
    address: server?.address ?? null,
    state,
    weight: server?.weight ?? null,
    registered,
    ids: Object.fromEntries(
      [...(server?.serverIds ?? [])].map(([config, ids]) => [config, ids.length]),
    ),
    live: live !== undefined,
    issuing: live?.issuing ?? null,
    waitingFor: live?.waitingFor ?? [],
    marks,
    older: live?.older ?? {},
    quietSeconds: quietForAll(view, quietServer(pool, name)) ?? null,
    stale,
  };
}

/** IDs of configs under which each server of a pool may issue. */
function marksByServer({ view }: FleetSnapshot, pool: string): Map<string, number[]> {
  const marks = new Map<string, number[]>();
  for (const folder of [...view.uses.folders].sort()) {
    const [of, config] = folder.split('/');
    if (of !== pool) continue;
    for (const server of view.uses.in(folder).keys()) {
      marks.set(server, [...(marks.get(server) ?? []), Number(config)]);
    }
  }
  return marks;
}

function stateText({ state, registered }: ServerRow): string {
  if (state === null) return 'gone';
  return registered ? `${state} (registered)` : state;
}

function sidecarText({ live }: ServerRow): string {
  return live ? 'live' : 'silent';
}

function issuesText({ live, issuing }: ServerRow): string {
  if (!live) return '';
  return issuing === null ? '0b111' : `config ${issuing}`;
}

function remarks({ stale, waitingFor }: ServerRow): string {
  const waits = waitingFor.length === 0 ? [] : [`waits for ${shortList(waitingFor)}`];
  return [...stale, ...waits].join('; ');
}

/** `0: 3, 1: 3`; what is not known is a question mark. */
function counts(by: Readonly<Record<string, number | null>>): string {
  return Object.entries(by)
    .map(([config, count]) => `${config}: ${count ?? '?'}`)
    .join(', ');
}
