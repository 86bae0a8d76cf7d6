// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { CidecarError, parseJson } from '../../../core/index.js';
import { runInSlices, type Steps } from '../../document/steps.js';
import type { DesiredState, NeedsKey, StateSource } from '../../types.js';
import { Keys } from '../layout/keys.js';
import { valueText } from '../layout/read-value.js';
import { revisionNumber } from '../layout/revision.js';
import { configValueText } from '../layout/values/config.js';
import { idValueText } from '../layout/values/desired.js';
import { Assembly } from './assembly.js';
import type { ChangesUpTo } from './followed-state.js';
import type { Keyring } from './keyring.js';

// A saved state of etcd is lines of JSON: first what it is, then a key and its value each. Keys of
// configs stay sealed in it, so nobody can use it without the cluster secret. Changes follow
// in their order: a key and its new value, or null where it was deleted, and after those of each
// state its revision.

const head = z.strictObject({
  version: z.literal(1),
  store: z.literal('etcd'),
  root: z.string(),
  revision: z.number().int().min(0),
});
const line = z.union([z.tuple([z.string(), z.string().nullable()]), head.pick({ revision: true })]);

/** Whether {@link etcdSource} wrote this. */
export function isEtcdSource(saved: string): boolean {
  return head.safeParse(parseJson(saved.slice(0, saved.indexOf('\n')))).success;
}

/** What a state was made of, by an assembly that may go on to a newer one. */
export function etcdSource(keys: Keys, { state, assembly, changes }: Assembled): StateSource {
  const revision = revisionNumber(state.revision);
  const { log, end } = changes;
  return {
    mark: end,
    changesSince: (mark) => {
      const lines = log.between(mark, end);
      if (lines === undefined || revision === undefined) return undefined;
      return mark === end ? '' : `${lines.join('')}${JSON.stringify({ revision })}\n`;
    },
    serialize: () => {
      // The newer one is saved soon, or is not valid and is not to be saved.
      if (revision === undefined || assembly.revision !== revision) return undefined;
      const first = { version: 1, store: 'etcd', root: keys.root, revision };
      const lines = [JSON.stringify(first)];
      for (const entry of entriesOf(keys, assembly)) lines.push(JSON.stringify(entry));
      return `${lines.join('\n')}\n`;
    },
  };
}

interface Assembled {
  readonly state: DesiredState;
  readonly assembly: Assembly;
  readonly changes: ChangesUpTo;
}

/** Every key of a valid state with its value, except that of the revision. */
export function* entriesOf(
  keys: Keys,
  { pools }: Assembly,
): Generator<readonly [key: string, value: string]> {
  for (const { name, value, configs, ids, servers } of pools) {
    if (value !== undefined) yield [keys.pool(name), valueText(value)];
    for (const [id, config] of configs.values)
      yield [keys.config(name, id), configValueText(config)];
    for (const server of servers.entries) yield [server.key, valueText(server.value)];
    for (const config of ids.configs) {
      for (const { key, server, count, allocated } of ids.runsOf(config)) {
        const owner = { server, count, ...(allocated && { allocated }) };
        yield [key, idValueText(owner)];
      }
    }
  }
}

/**
 * Makes the state again from what `etcdSource` wrote.
 *
 * @param file name of the saved file, for messages
 * @throws CidecarError STATE_CORRUPT where it is no such file; a DocumentError where this version
 * refuses what it holds, or this host cannot open its keys
 */
export async function stateFromEtcdSource(
  saved: string,
  file: string,
  options: {
    readonly keyring: Keyring;
    readonly signal: AbortSignal;
    readonly needsKey?: NeedsKey | undefined;
  },
): Promise<DesiredState> {
  const { keyring, needsKey, signal } = options;
  const corrupt = () =>
    new CidecarError('STATE_CORRUPT', 'this is no saved state of etcd', { file });
  const [first = '', ...lines] = saved.trimEnd().split('\n');
  const { success, data } = head.safeParse(parseJson(first));
  const prefix = /^(.*)\/v1\/$/.exec(data?.root ?? '')?.[1];
  if (!success || prefix === undefined) throw corrupt();
  const keys = new Keys(prefix);
  const assembly = new Assembly({ keys, keyring, needsKey });
  assembly.change(keys.revision, Buffer.alloc(0), data.revision);
  await runInSlices(takeLines(lines, assembly, keys, corrupt), signal);
  return (await runInSlices(assembly.assemble(), signal)).state;
}

function* takeLines(
  lines: readonly string[],
  assembly: Assembly,
  keys: Keys,
  corrupt: () => CidecarError,
): Steps<void> {
  for (const [index, text] of lines.entries()) {
    if (index % 256 === 0) yield;
    const entry = line.safeParse(parseJson(text));
    if (!entry.success) throw corrupt();
    if ('revision' in entry.data) {
      assembly.change(keys.revision, Buffer.alloc(0), entry.data.revision);
      continue;
    }
    const [key, value] = entry.data;
    assembly.change(key, value === null ? undefined : Buffer.from(value), 0);
  }
}
