// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import {
  describeWaiting,
  quietForAll,
  type Waiting,
  waitingToHold,
  whoIssues,
} from '../../registry/etcd/fleet/index.js';
import { expectedDigests } from '../fleet/digests.js';
import { addListing, type ListFlags } from '../fleet/listing.js';
import { type FleetSnapshot, poolsNamed } from '../fleet/snapshot.js';
import { type Column, duration, shortList } from '../fleet/table.js';
import type { Io } from '../io.js';
import type { SharedRegistry } from '../shared-registry.js';

/** One config, for programs. */
interface ConfigRow {
  readonly pool: string;
  readonly config: number;
  readonly scheme: string;
  readonly state: string;
  readonly encrypted: boolean;
  /** Whether this host can open its keys. */
  readonly opens: boolean;
  /** Revision of its last change. */
  readonly revision: number;
  /** Agents that do not hold it as it is. */
  readonly waitingFor: readonly Waiting[];
  /** Agents that hold it with another key or layout than this host has. */
  readonly differs: readonly string[];
  /** Servers that may issue under it, or whose connections are on it. */
  readonly marks: readonly string[];
  /** Seconds since the last packet under it, where it is retiring; null: not known. */
  readonly quietSeconds: number | null;
  /** What is wrong or out of date, in words. */
  readonly stale: readonly string[];
}

const COLUMNS: readonly Column<ConfigRow>[] = [
  { title: 'pool', text: ({ pool }) => pool },
  { title: 'config', text: ({ config }) => String(config) },
  { title: 'scheme', text: ({ scheme }) => scheme },
  { title: 'state', text: ({ state }) => state },
  {
    title: 'key',
    text: ({ encrypted, opens }) => (encrypted ? (opens ? 'sealed' : 'sealed, not opened') : ''),
  },
  { title: 'changed', text: ({ revision }) => `etcd-${revision}` },
  {
    title: 'held by',
    text: ({ waitingFor }) =>
      waitingFor.length === 0 ? 'all' : `not by ${describeWaiting(waitingFor)}`,
    stale: ({ waitingFor }) => waitingFor.length > 0,
  },
  { title: 'may issue', text: ({ marks }) => shortList(marks) },
  { title: 'no packet for', text: ({ quietSeconds }) => duration(quietSeconds) },
  { title: 'remarks', text: ({ stale }) => stale.join('; '), stale: () => true },
];

export function addConfigs(program: Command, io: Io, schemes: Schemes): void {
  addListing<ConfigRow>(program, io, schemes, {
    name: 'configs',
    description: 'Show the configs of a registry that hosts share, who holds and who uses them.',
    byPool: true,
    rows: configRows,
    columns: COLUMNS,
  });
}

function configRows(
  snapshot: FleetSnapshot,
  { pool: wanted }: ListFlags,
  { keys }: SharedRegistry,
): ConfigRow[] {
  const { view, desired } = snapshot;
  const expected = expectedDigests(snapshot);
  return poolsNamed(snapshot, wanted).flatMap(({ name, configs }) =>
    configs.values.map(([id, { shape, sealed }]): ConfigRow => {
      const path = `${name}/${id}`;
      const revision = desired.entries.get(keys.config(name, id))?.modRevision ?? 0;
      const waitingFor = waitingToHold(view, revision);
      const opens = configs.get(id) !== undefined;
      const digest = expected.get(path);
      const differs = [...view.held.in('')].flatMap(([agent, { value }]) =>
        digest !== undefined && value[path] !== undefined && value[path] !== digest ? [agent] : [],
      );
      return {
        pool: name,
        config: id,
        scheme: shape.scheme.name,
        state: shape.state,
        encrypted: Object.keys(sealed).includes('keyFile'),
        opens,
        revision,
        waitingFor,
        differs,
        marks: whoIssues(view, name, id),
        quietSeconds: quietForAll(view, path) ?? null,
        stale: differs.length > 0 ? [`${shortList(differs)}: another key or layout`] : [],
      };
    }),
  );
}
