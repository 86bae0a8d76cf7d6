// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { addCounting } from '../fleet/counting.js';
import { expectedDigests } from '../fleet/digests.js';
import { addListing } from '../fleet/listing.js';
import type { FleetSnapshot } from '../fleet/snapshot.js';
import { type Column, duration, shortList } from '../fleet/table.js';
import type { Io } from '../io.js';

/** One agent, for programs. */
interface AgentRow {
  readonly agent: string;
  /** Null where it gives no sign of life. */
  readonly host: string | null;
  /**
   * `live`; `silent`: no sign of life, and gates wait for it; `away`: for so long that only
   * freeing waits for it; `counted out`: nobody waits for it; `joining`: not live yet.
   */
  readonly condition: 'live' | 'silent' | 'away' | 'counted out';
  /** The revision that its kernel and its disk hold; null where that is not known. */
  readonly acknowledged: number | null;
  /** Whether there is a newer desired state. */
  readonly behind: boolean;
  /** `<pool>/<config>` of which it says another digest than this host expects. */
  readonly differs: readonly string[];
  /** `<pool>/<config>` that it should hold by now and says nothing of. */
  readonly lacks: readonly string[];
  /** Pools whose controller it is. */
  readonly controls: readonly string[];
  /** Seconds since its last packet, of configs and servers that are to go. */
  readonly quiet: Readonly<Record<string, number>>;
  readonly countedOut: { readonly by: string; readonly why: string } | null;
  /** What is wrong or out of date, in words. */
  readonly stale: readonly string[];
}

const COLUMNS: readonly Column<AgentRow>[] = [
  { title: 'agent', text: ({ agent }) => agent },
  { title: 'host', text: ({ host }) => host ?? '' },
  { title: 'condition', text: (row) => row.condition, stale: (row) => row.condition !== 'live' },
  { title: 'acknowledged', text: acknowledgedText, stale: ({ behind }) => behind },
  { title: 'controls', text: ({ controls }) => shortList(controls) },
  { title: 'quiet', text: ({ quiet }) => quietText(quiet) },
  { title: 'remarks', text: ({ stale }) => stale.join('; '), stale: () => true },
];

export function addAgents(program: Command, io: Io, schemes: Schemes): void {
  const group = addListing<AgentRow>(program, io, schemes, {
    name: 'agents',
    description:
      'Show the balancers of a registry that hosts share, and what they hold. With ' +
      '--cluster-secret also those that have another key of a config than this host.',
    byPool: false,
    rows: agentRows,
    columns: COLUMNS,
  });
  addCounting(group, io);
}

function agentRows(snapshot: FleetSnapshot): AgentRow[] {
  const { view } = snapshot;
  const expected = expectedDigests(snapshot);
  const agents = new Set(
    [view.acks, view.stale, view.countedOut, view.liveAgents].flatMap((table) => [
      ...table.in('').keys(),
    ]),
  );
  return [...agents].sort().map((agent) => rowOf(snapshot, expected, agent));
}

function rowOf(
  { view, revision }: FleetSnapshot,
  expected: ReadonlyMap<string, string>,
  agent: string,
): AgentRow {
  const live = view.liveAgents.get(agent)?.value;
  const ack = view.acks.get(agent)?.value;
  const away = view.stale.get(agent)?.value;
  const countedOut = view.countedOut.get(agent)?.value ?? null;
  const held = view.held.get(agent)?.value;
  const acknowledged = ack ?? away ?? null;
  const behind = acknowledged !== null && acknowledged < revision;
  const known = live !== undefined && held !== undefined ? [...expected] : [];
  const differs = known.flatMap(([config, digest]) =>
    held?.[config] !== undefined && held[config] !== digest ? [config] : [],
  );
  const lacks = behind
    ? []
    : known.flatMap(([config]) => (held?.[config] === undefined ? [config] : []));
  const condition = conditionOf(live !== undefined, ack !== undefined, countedOut !== null);
  const stale = [
    ...remarksOn(condition, countedOut),
    ...(behind ? [`behind etcd-${revision}`] : []),
    ...(differs.length > 0 ? [`another key or layout of ${shortList(differs)}`] : []),
    ...(lacks.length > 0 ? [`lacks ${shortList(lacks)}`] : []),
  ];
  return {
    agent,
    host: live?.host ?? null,
    condition,
    acknowledged,
    behind,
    differs,
    lacks,
    controls: [...view.controllers.in('')].flatMap(([pool, { value }]) =>
      value.agent === agent ? [pool] : [],
    ),
    quiet: view.quiet.get(agent)?.value ?? {},
    countedOut,
    stale,
  };
}

function conditionOf(live: boolean, acknowledges: boolean, out: boolean): AgentRow['condition'] {
  if (live && acknowledges) return 'live';
  if (acknowledges) return 'silent';
  return out ? 'counted out' : 'away';
}

function remarksOn(condition: AgentRow['condition'], out: AgentRow['countedOut']): string[] {
  switch (condition) {
    case 'live':
      return [];
    case 'silent':
      return ['no sign of life'];
    case 'away':
      return ['nothing is freed before it is back or counted out'];
    case 'counted out':
      return [`by ${out?.by ?? 'somebody'}: ${out?.why ?? ''}`];
  }
}

function acknowledgedText({ acknowledged }: AgentRow): string {
  return acknowledged === null ? '' : `etcd-${acknowledged}`;
}

function quietText(quiet: AgentRow['quiet']): string {
  return shortList(
    Object.entries(quiet).map(([what, seconds]) => `${what}: ${duration(seconds)}`),
    2,
  );
}
