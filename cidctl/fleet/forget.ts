// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { absent, remove, unchanged } from '../../registry/etcd/client/index.js';
import type { Io } from '../io.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';
import { makeChange, untilMade } from './make-change.js';
import { type FleetSnapshot, readSnapshot } from './snapshot.js';

interface ForgetFlags extends SharedRegistryFlags {
  readonly pool?: string;
  readonly json?: true;
}

interface Forgotten {
  readonly server: string;
  readonly pool: string | null;
  /** IDs of the configs whose marks were deleted. */
  readonly marks: readonly number[];
  readonly revision: number;
}

/** `cidctl servers forget`. */
export function addForget(servers: Command, io: Io, schemes: Schemes): void {
  const command = servers
    .command('forget')
    .description(
      'Delete the marks of a server that is gone for good, so that its configs can be ' +
        'quarantined. It must issue nothing any more, also not where it is cut off.',
    )
    .argument('<server>', 'its name')
    .option('--pool <name>', 'its pool, where two pools have marks of this name');
  addSharedRegistry(command)
    .option('--json', 'print JSON')
    .action(async (server: string, flags: ForgetFlags) => {
      const done = await withRegistry(flags, io, (registry) =>
        untilMade(async () => {
          const snapshot = await readSnapshot(registry, schemes, io);
          return forget(registry, snapshot, server, flags.pool);
        }),
      );
      if (flags.json) io.out(JSON.stringify(done));
      else if (done.marks.length === 0) io.out(`${server} has no marks`);
      else io.out(`${server} of pool ${done.pool}: ${describe(done.marks)} forgotten`);
    });
}

async function forget(
  registry: SharedRegistry,
  snapshot: FleetSnapshot,
  server: string,
  wanted: string | undefined,
): Promise<Forgotten | undefined> {
  const { keys } = registry;
  const { view, desired, revision } = snapshot;
  const found = [...view.uses.folders].sort().flatMap((folder) => {
    const mark = view.uses.in(folder).get(server);
    const [pool = '', config] = folder.split('/');
    const ours = mark !== undefined && (wanted === undefined || wanted === pool);
    return ours ? [{ pool, config: Number(config), mark }] : [];
  });
  const pools = [...new Set(found.map(({ pool }) => pool))];
  const [pool] = pools;
  if (pool === undefined) {
    const known = snapshot.pools.some(({ servers }) => servers.get(server) !== undefined);
    if (!known) {
      const message = `there is no server ${server} in the registry, and no mark of one`;
      throw new CidecarError('SERVER_UNKNOWN', message);
    }
    return { server, pool: wanted ?? null, marks: [], revision };
  }
  if (pools.length > 1) {
    const message = `pools ${pools.join(' and ')} have marks of ${server}; say which by --pool`;
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  if (view.liveServers.get(`${pool}/${server}`) !== undefined) {
    const message = `${server} gives a sign of life: stop its sidecar, which then deletes its marks itself where it can`;
    throw new CidecarError('STEP_REFUSED', message);
  }
  const marks = found.map(({ config }) => config);
  const made = await makeChange(registry, desired.revision, {
    what: 'forget',
    pool,
    changes: [`server ${server} of pool ${pool}: ${describe(marks)} forgotten`],
    // MARK_SEEN: a mark that was put anew meanwhile is of a sidecar that is there.
    when: [
      absent(keys.liveServer(pool, server)),
      ...found.map(({ mark }) => unchanged(mark.key, mark.modRevision)),
    ],
    success: found.map(({ mark }) => remove(mark.key)),
  });
  return made === undefined ? undefined : { server, pool, marks, revision: made };
}

function describe(marks: readonly number[]): string {
  return `${marks.length === 1 ? 'mark' : 'marks'} under config ${marks.join(' and ')}`;
}
