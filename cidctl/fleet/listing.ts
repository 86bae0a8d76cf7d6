// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { revisionText } from '../../registry/etcd/index.js';
import type { Io } from '../io.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';
import { type FleetSnapshot, readSnapshot } from './snapshot.js';
import { type Column, printTable } from './table.js';

export interface ListFlags extends SharedRegistryFlags {
  readonly json?: true;
  readonly pool?: string;
}

/** A command that shows one kind of thing in the fleet: a table, or JSON. */
export interface Listing<Row> {
  /** Name of the command, and of the list in JSON: `servers`. */
  readonly name: string;
  readonly description: string;
  /** Whether `--pool` narrows it. */
  readonly byPool: boolean;
  readonly rows: (
    snapshot: FleetSnapshot,
    flags: ListFlags,
    registry: SharedRegistry,
  ) => readonly Row[];
  readonly columns: readonly Column<Row>[];
}

/** Adds it; more commands of the same kind of thing can be added to what this returns. */
export function addListing<Row>(
  program: Command,
  io: Io,
  schemes: Schemes,
  listing: Listing<Row>,
): Command {
  const { name, description, byPool } = listing;
  const group = program.command(name).description(description);
  const command = group.command('list', { isDefault: true }).description(description);
  if (byPool) command.option('--pool <name>', 'only this pool');
  addSharedRegistry(command)
    .option('--json', 'print JSON')
    .action(async (flags: ListFlags) => {
      const { rows, revision } = await withRegistry(flags, io, async (registry) => {
        const snapshot = await readSnapshot(registry, schemes, io);
        return { rows: listing.rows(snapshot, flags, registry), revision: snapshot.revision };
      });
      if (flags.json) io.out(JSON.stringify({ revision: revisionText(revision), [name]: rows }));
      else printTable(io, listing.columns, rows, `there are no ${name}`);
    });
  return group;
}
