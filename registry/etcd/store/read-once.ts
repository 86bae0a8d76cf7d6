// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import { runAtOnce } from '../../document/steps.js';
import type { DesiredState } from '../../types.js';
import type { EtcdClient, KeyValue } from '../client/index.js';
import type { Keys } from '../layout/keys.js';
import { readValue } from '../layout/read-value.js';
import { type MetaValue, metaValue } from '../layout/values/meta.js';
import { Assembly } from './assembly.js';
import type { Keyring } from './keyring.js';

/** All that makes the desired state, at one revision, as it is in etcd. */
export interface DesiredSnapshot {
  /** Of etcd, when it was read. */
  readonly revision: number;
  readonly entries: ReadonlyMap<string, KeyValue>;
  /** Undefined before the first apply. */
  readonly meta: MetaValue | undefined;
}

export async function readDesired(client: EtcdClient, keys: Keys): Promise<DesiredSnapshot> {
  const { revision, entries } = await client.kv.list(keys.desired);
  const meta = await client.kv.get(keys.meta);
  return {
    revision,
    entries: new Map(entries.map((entry) => [entry.key, entry])),
    meta: meta && readValue(metaValue, keys.meta, meta.value),
  };
}

export interface AssembleOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly schemes?: Schemes;
}

/** Puts a state together in one go. */
export function assembled(
  entries: Iterable<Pick<KeyValue, 'key' | 'value' | 'modRevision'>>,
  options: AssembleOptions,
): Assembly {
  const assembly = new Assembly(options);
  for (const { key, value, modRevision } of entries) assembly.change(key, value, modRevision);
  return assembly;
}

/** The state, or what is wrong with it. */
export function stateOf(assembly: Assembly): DesiredState | CidecarError {
  try {
    return runAtOnce(assembly.assemble()).state;
  } catch (error) {
    if (error instanceof CidecarError) return error;
    throw error;
  }
}
