// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import {
  type AskedConfig,
  FORCEABLE_STEPS,
  type ForceableStep,
  type Intent,
  type RotationProgress,
  recordText,
  rotationRecord,
  withIntent,
} from '../../registry/etcd/fleet/index.js';
import { eventPut, leaseForEvents, readValue } from '../../registry/etcd/layout/index.js';
import type { Io, SetExitCode } from '../io.js';
import { readProgress, watchProgress } from '../rotation-watch.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';

interface RotateFlags extends SharedRegistryFlags {
  readonly key?: true;
  readonly lengths?: string;
  readonly scheme?: string;
  readonly field?: readonly string[];
  readonly id?: string;
  readonly watch?: true;
  /** False with --no-wait. */
  readonly wait: boolean;
  readonly json?: true;
  readonly status?: true;
  readonly pause?: true;
  readonly resume?: true;
  readonly abort?: true;
  readonly force?: string;
  readonly reason?: string;
}

/** Exit code where the rotation that was watched was aborted. */
const EXIT_ABORTED = 1;

export function addRotate(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('rotate')
    .description(
      'Bring a pool of the registry that hosts share to a new config with a new key, without ' +
        'losing a connection. The balancer that is the controller of the pool takes the steps; ' +
        'this command asks for them and watches, and can be ended at any time: --resume watches ' +
        'on, from any machine.',
    )
    .argument('<pool>', 'the pool');
  addSharedRegistry(command)
    .option('--key', 'encrypt CIDs also where the present config does not')
    .option('--lengths <S,N>', 'octets of server ID and nonce; default: as they are')
    .option('--scheme <name>', 'another scheme')
    .option('--field <name=value...>', 'another field of a config, such as version=2')
    .option('--id <n>', 'the config ID; default: the lowest that is free')
    .option('--watch', 'watch until the former config is removed, and not only quarantined')
    .option('--no-wait', 'do not watch')
    .option('--status', 'say how far the rotation is')
    .option('--pause', 'take no further step')
    .option('--resume', 'go on after --pause, and watch; also watches what nobody paused')
    .option('--abort', 'go back to the former config')
    .option('--force <step>', `take the next step nevertheless: ${FORCEABLE_STEPS.join(', ')}`)
    .option('--reason <text>', 'why, for the record')
    .option('--json', 'print JSON, a line for each change')
    .action(async (pool: string, flags: RotateFlags) => {
      const intent = intentOf(flags);
      await withRegistry(flags, io, async (registry) => {
        if (intent === undefined) {
          tell(await readProgress(registry, pool), flags, io);
          return;
        }
        await put(registry, pool, intent);
        if (flags.wait === false || intent.kind === 'pause') {
          tell(await readProgress(registry, pool), flags, io);
          return;
        }
        if (!flags.json) io.err('the rotation goes on also where this command ends');
        const outcome = await watch(registry, pool, flags, io);
        if (outcome === 'aborted' && intent.kind !== 'abort') setExitCode(EXIT_ABORTED);
      });
    });
}

/** Undefined where only the status is asked for. */
function intentOf(flags: RotateFlags): Intent | undefined {
  const given = (['status', 'pause', 'resume', 'abort', 'force'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  const [first, second] = given;
  if (second !== undefined) throw wrong(`--${first} and --${second} exclude each other`);
  const asks = ['key', 'lengths', 'scheme', 'field', 'id'] as const;
  const asked = asks.find((name) => flags[name] !== undefined);
  if (first !== undefined && asked !== undefined) {
    throw wrong(`--${asked} is for a new rotation, not for --${first}`);
  }
  const why = flags.reason ?? '';
  switch (first) {
    case 'status':
      return undefined;
    case 'pause':
      return { kind: 'pause', why };
    case 'resume':
      return { kind: 'resume' };
    case 'abort':
      return { kind: 'abort', why };
    case 'force':
      if (why === '') throw wrong('--force needs --reason, which is recorded');
      return { kind: 'force', step: stepOf(flags.force ?? ''), why };
    default:
      return { kind: 'begin', id: randomUUID(), asked: askedBy(flags), why };
  }
}

function stepOf(text: string): ForceableStep {
  const step = FORCEABLE_STEPS.find((each) => each === text);
  if (step !== undefined) return step;
  throw wrong(`--force: the step must be one of ${FORCEABLE_STEPS.join(', ')}, not "${text}"`);
}

function askedBy({ key, lengths, scheme, field = [], id }: RotateFlags): AskedConfig {
  const fields = Object.fromEntries(field.map(fieldOf));
  if (lengths !== undefined) {
    const [, serverIdLength, nonceLength] = /^(\d{1,2}),(\d{1,2})$/.exec(lengths) ?? [];
    if (nonceLength === undefined) throw wrong('--lengths must be two numbers: 3,8');
    fields.serverIdLength = Number(serverIdLength);
    fields.nonceLength = Number(nonceLength);
  }
  if (id !== undefined && !/^[0-6]$/.test(id)) throw wrong('--id must be a number from 0 to 6');
  return {
    fields,
    ...(key !== undefined && { key }),
    ...(scheme !== undefined && { scheme }),
    ...(id !== undefined && { id: Number(id) }),
  };
}

function fieldOf(text: string): [string, string | number | boolean] {
  const [, name = '', value = ''] = /^([A-Za-z]+)=(.*)$/.exec(text) ?? [];
  if (name === '') throw wrong(`--field must be NAME=VALUE, not "${text}"`);
  if (/file$/i.test(name) || name === 'state' || name === 'id') {
    throw wrong(`--field ${name} cannot be given: a rotation chooses it`);
  }
  if (value === 'true' || value === 'false') return [name, value === 'true'];
  return [name, /^\d{1,15}$/.test(value) ? Number(value) : value];
}

function wrong(message: string): CidecarError {
  return new CidecarError('ARGUMENT_INVALID', message);
}

/** Writes the intent into the record, on whatever is there by then. */
async function put(registry: SharedRegistry, pool: string, intent: Intent): Promise<void> {
  const { client, keys, by } = registry;
  const key = keys.rotation(pool);
  if ((await client.kv.get(keys.pool(pool))) === undefined) {
    throw wrong(`the registry has no pool ${pool}`);
  }
  const lease = await leaseForEvents(client);
  for (;;) {
    const found = await client.kv.get(key);
    const seen = found && readValue(rotationRecord, key, found.value);
    const record = withIntent(seen, intent, by);
    if (record === undefined) return;
    const event = {
      by,
      what: 'rotate',
      pool,
      changes: [wordsOf(intent)],
      forced: forcedBy(intent),
    };
    const at = new Date().toISOString();
    const number = found?.modRevision ?? 1;
    const { done } = await client.transact({
      what: `rotation of ${pool}`,
      mark: {
        key,
        value: recordText({ ...record, stamp: randomUUID() }),
        before: found?.modRevision ?? 0,
      },
      when: [],
      success: [eventPut(keys, number, lease, { ...event, at, seen: number })],
    });
    if (done) return;
  }
}

function wordsOf(intent: Intent): string {
  const why = intent.kind === 'resume' || intent.why === '' ? '' : `: ${intent.why}`;
  switch (intent.kind) {
    case 'begin':
      return `asks for a rotation${why}`;
    case 'pause':
      return `pauses the rotation${why}`;
    case 'resume':
      return 'lets the rotation go on';
    case 'abort':
      return `aborts the rotation${why}`;
    case 'force':
      return `forces the step ${intent.step}${why}`;
  }
}

function forcedBy(intent: Intent): string[] {
  return intent.kind === 'force' ? [intent.step] : [];
}

async function watch(
  registry: SharedRegistry,
  pool: string,
  flags: RotateFlags,
  io: Io,
): Promise<'rotated' | 'aborted' | 'none' | undefined> {
  let outcome: 'rotated' | 'aborted' | 'none' | undefined;
  const said = new Set<string>();
  await watchProgress(registry, pool, (progress) => {
    if (flags.json) tell(progress, flags, io);
    else {
      // What was said already, and is so still, is not said again.
      const words = progress.words.filter((text) => !said.has(text));
      said.clear();
      for (const text of progress.words) said.add(text);
      for (const text of words) io.out(`${pool}: ${text}`);
    }
    const { record } = progress;
    outcome = record?.outcome;
    if (record === undefined || record.step === 'over') return false;
    if (record.step !== 'quarantined' || flags.watch === true) return true;
    if (!flags.json) io.out(`${pool}: nothing is left to watch; --watch stays until the end`);
    return false;
  });
  return outcome;
}

function tell(progress: RotationProgress, { json }: RotateFlags, io: Io): void {
  if (json) io.out(JSON.stringify(progress));
  else for (const text of progress.words) io.out(`${progress.pool}: ${text}`);
}
