// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import type { Io } from '../io.js';
import { addSharedRegistry, type SharedRegistryFlags, withRegistry } from '../shared-registry.js';
import { keepIds } from './ids-keep.js';
import { listIds, printIds } from './ids-list.js';
import { releaseIds } from './ids-release.js';

interface ListFlags extends SharedRegistryFlags {
  readonly json?: true;
}

interface KeepFlags extends SharedRegistryFlags {
  readonly config?: string;
  readonly count?: string;
  readonly why?: string;
  readonly json?: true;
}

interface ReleaseFlags extends SharedRegistryFlags {
  readonly server?: string;
  readonly id?: string;
  readonly config?: string;
  readonly gone?: true;
  readonly json?: true;
}

/** `cidctl ids`: who has which IDs of a registry that hosts share, and which nobody gets. */
export function addIds(program: Command, io: Io, schemes: Schemes): void {
  const ids = program
    .command('ids')
    .description('Who has which server IDs of a registry that hosts share.');
  addSharedRegistry(
    ids.command('list').description('IDs with owners, at rest, pinned and reserved.'),
  )
    .argument('[pool]', 'one pool; all, if left out')
    .option('--json', 'print JSON')
    .action(async (pool: string | undefined, flags: ListFlags) => {
      const pools = await withRegistry(flags, io, (registry) => listIds(registry, pool, schemes));
      if (flags.json) io.out(JSON.stringify(pools));
      else printIds(pools, io);
    });
  const keep = (command: Command) =>
    addSharedRegistry(command)
      .option('--config <id>', 'one config; all that are not quarantined, if left out')
      .option('--count <n>', 'as many IDs from this one on (default: 1)')
      .option('--why <text>', 'for people')
      .option('--json', 'print JSON');
  keep(ids.command('reserve').description('Keep IDs from being handed out to anybody.'))
    .argument('<pool>')
    .argument('<id>', 'in hex, or as a number')
    .action(async (pool: string, id: string, flags: KeepFlags) => {
      const done = await withRegistry(flags, io, (registry) =>
        keepIds(registry, { ...flags, pool, id, server: undefined }, schemes),
      );
      io.out(flags.json ? JSON.stringify(done) : `reserved: ${done.keys.join(', ')}`);
    });
  keep(ids.command('pin').description('Keep IDs for one server, which gets them first.'))
    .argument('<pool>')
    .argument('<server>')
    .argument('<id>', 'in hex, or as a number')
    .action(async (pool: string, server: string, id: string, flags: KeepFlags) => {
      const done = await withRegistry(flags, io, (registry) =>
        keepIds(registry, { ...flags, pool, id, server }, schemes),
      );
      io.out(flags.json ? JSON.stringify(done) : `pinned for ${server}: ${done.keys.join(', ')}`);
    });
  addSharedRegistry(
    ids
      .command('release')
      .description(
        'Take a server that registered itself out of its pool, or one of its IDs, or a pin or ' +
          'reservation. IDs go to rest before others get them.',
      ),
  )
    .argument('<pool>')
    .option('--server <name>', 'the server and all IDs that were handed out to it')
    .option('--id <id>', 'one ID, in hex, or as a number')
    .option('--config <id>', 'under one config; under all, if left out')
    .option('--gone', 'the server is gone for good: it is not waited for')
    .option('--json', 'print JSON')
    .action(async (pool: string, flags: ReleaseFlags) => {
      const done = await withRegistry(flags, io, (registry) =>
        releaseIds(registry, { ...flags, pool }, schemes),
      );
      if (flags.json) io.out(JSON.stringify(done));
      else for (const line of done.lines) io.out(line);
    });
}
