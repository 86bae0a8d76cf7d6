// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { decideMove, isWithin, type SeenRun } from '../../registry/etcd/fleet/index.js';
import { readValue, revisionText } from '../../registry/etcd/layout/index.js';
import { idValue } from '../../registry/etcd/layout/values/desired.js';
import { readInteger, readOctets } from '../arguments.js';
import { makeChange, untilMade } from '../fleet/make-change.js';
import { type FleetSnapshot, poolOfServer, readSnapshot } from '../fleet/snapshot.js';
import type { Io, SetExitCode } from '../io.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';

interface MoveFlags extends SharedRegistryFlags {
  readonly to: string;
  readonly config?: string;
  readonly wait?: true;
  readonly json?: true;
}

interface Moved {
  readonly pool: string;
  readonly config: number;
  readonly id: string;
  readonly to: string;
  /** `moved`: the server has it. `resting`: it left its former owner, and waits. */
  readonly state: 'moved' | 'resting';
  readonly waitsFor: string | null;
  readonly revision: number;
}

/** The ID is at rest; the same command gives it to its server later. */
const EXIT_RESTING = 3;
/** Milliseconds between two looks of --wait. */
const LOOK_EVERY = 1_000;

export function addMove(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  const command = program
    .command('move')
    .description(
      'Move an ID to another server, without a CID of it reaching the wrong one: it is put to ' +
        'rest first, and the same command gives it to the server afterwards. Exit code 3 while ' +
        'it is at rest.',
    )
    .argument('<id>', 'the server ID, in hex')
    .requiredOption('--to <server>', 'who is to have it')
    .option('--config <id>', 'the config that it is of, where several have such an ID');
  addSharedRegistry(command)
    .option('--wait', 'wait until the server has it')
    .option('--json', 'print JSON')
    .action(async (text: string, flags: MoveFlags) => {
      const id = toHex(readOctets(text, 'the ID'));
      const config =
        flags.config === undefined ? undefined : readInteger(flags.config, '--config', 0, 6);
      const tell = sayOnce((line) => {
        if (!flags.json) io.out(line);
      });
      const moved = await withRegistry(flags, io, async (registry) => {
        for (;;) {
          const result = await untilMade(async () => {
            const snapshot = await readSnapshot(registry, schemes, io);
            return step(registry, snapshot, { id, to: flags.to, config }, tell);
          });
          if (result.state === 'moved' || !flags.wait) return result;
          await pause(LOOK_EVERY);
        }
      });
      if (flags.json) {
        io.out(JSON.stringify({ ...moved, revision: revisionText(moved.revision) }));
      } else if (moved.state === 'moved') io.out(`server ${moved.to} has ID ${id}`);
      else io.out('run this command again when its rest is over, or with --wait');
      if (moved.state === 'resting') setExitCode(EXIT_RESTING);
    });
}

function sayOnce(say: (line: string) => void): (line: string) => void {
  let said: string | undefined;
  return (line) => {
    if (line !== said) say(line);
    said = line;
  };
}

/** Does the next step; undefined where something changed meanwhile. */
async function step(
  registry: SharedRegistry,
  snapshot: FleetSnapshot,
  { id, to, config: given }: { id: string; to: string; config: number | undefined },
  tell: (line: string) => void,
): Promise<Moved | undefined> {
  const { keys } = registry;
  const { view, desired, revision } = snapshot;
  const assembly = poolOfServer(snapshot, to);
  const pool = assembly.name;
  const config = given ?? configOf(snapshot, registry, pool, id);
  const shape = assembly.configs.values.find(([each]) => each === config)?.[1].shape;
  if (shape === undefined) {
    throw new CidecarError('CONFIG_UNKNOWN', `pool ${pool} has no config ${config}`);
  }
  const length = assembly.configs.get(config)?.codec.serverIdLength;
  if (length !== undefined && id.length !== 2 * length) {
    const message = `IDs of config ${config} have ${length} octets, and ${id} has ${id.length / 2}`;
    throw new CidecarError('SERVER_ID_INVALID', message);
  }
  const owned = ownedRun(snapshot, registry, pool, config, id);
  const decision = decideMove(keys, {
    ...{ pool, config, hex: id, to, owned, view },
    connectionAge: assembly.value?.allocation?.connectionAge,
    ownerState: owned && assembly.servers.get(owned.value.server)?.value.state,
    desiredRevision: revision,
  });
  const result = { pool, config, id, to };
  switch (decision.kind) {
    case 'done':
      return { ...result, state: 'moved', waitsFor: null, revision };
    case 'refused':
      throw new CidecarError('STEP_REFUSED', decision.why);
    case 'waits':
      tell(decision.why);
      return { ...result, state: 'resting', waitsFor: decision.why, revision };
    case 'rest':
    case 'give': {
      const { change, when, success } = decision;
      const made = await makeChange(registry, desired.revision, {
        ...{ what: 'move', pool, changes: [change], when, success },
      });
      if (made === undefined) return undefined;
      tell(change);
      const gives = decision.kind === 'give';
      if (owned !== undefined && owned.value.allocated === undefined) {
        tell(`the document names ID ${id} as one of ${owned.value.server}: change it there too`);
      }
      const waitsFor = gives ? null : change;
      return { ...result, state: gives ? 'moved' : 'resting', waitsFor, revision: made };
    }
  }
}

/** The config under which there is such an ID, where it is one. */
function configOf(
  snapshot: FleetSnapshot,
  registry: SharedRegistry,
  pool: string,
  id: string,
): number {
  const configs = snapshot.pools.find(({ name }) => name === pool)?.configs.values ?? [];
  const found = configs.flatMap(([config]) => {
    const away = [snapshot.view.rests, snapshot.view.pinned].some((table) =>
      [...table.in(`${pool}/${config}`)].some(([hex, { value }]) => isWithin(id, hex, value.count)),
    );
    return away || ownedRun(snapshot, registry, pool, config, id) !== undefined ? [config] : [];
  });
  const [config] = found;
  if (config !== undefined && found.length === 1) return config;
  const which = config === undefined ? 'no config has' : `configs ${found.join(' and ')} have`;
  throw new CidecarError('ARGUMENT_INVALID', `${which} ID ${id} in pool ${pool}: say --config`);
}

function ownedRun(
  { desired }: FleetSnapshot,
  { keys }: SharedRegistry,
  pool: string,
  config: number,
  id: string,
): SeenRun | undefined {
  const prefix = keys.ids(pool, config);
  for (const [key, { value, modRevision }] of desired.entries) {
    if (!key.startsWith(prefix)) continue;
    const hex = key.slice(prefix.length);
    if (hex.length !== id.length || hex > id) continue;
    const run = readValue(idValue, key, value);
    if (isWithin(id, hex, run.count)) return { key, hex, modRevision, value: run };
  }
  return undefined;
}
