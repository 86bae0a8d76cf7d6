// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import { differences } from '../../differences.js';
import { parseDocumentInSlices } from '../../document/document.js';
import type { ReadKeyFile } from '../../document/keys.js';
import type { DocumentWarning } from '../../document/report.js';
import { type Transition, transitions } from '../../transitions/index.js';
import type { DesiredState } from '../../types.js';
import type { EtcdClient } from '../client/index.js';
import { readFleet } from '../fleet/read-fleet.js';
import type { ClusterSecrets } from '../layout/cluster-secret.js';
import type { Keys } from '../layout/keys.js';
import type { Assembly } from '../store/assembly.js';
import { entriesOf } from '../store/etcd-source.js';
import type { Keyring } from '../store/keyring.js';
import { assembled, type DesiredSnapshot, readDesired, stateOf } from '../store/read-once.js';
import { type ConfigGuard, configGuards } from './config-guards.js';
import { keptKeyFiles } from './kept-keys.js';
import { type KeyChange, keyChanges } from './key-changes.js';
import { readResting, restingTransitions } from './resting-ids.js';
import { keyOf, transactionsOf } from './transactions.js';
import { wantedPools } from './wanted.js';

export interface ApplyOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
  /** To seal keys by; undefined where this host has none. */
  readonly secrets: ClusterSecrets | undefined;
  /** Who applies, for the event: `cidctl root@host`. */
  readonly by: string;
  readonly schemes?: Schemes;
  readonly signal: AbortSignal;
  /** Operations of a transaction; for tests. */
  readonly most?: number;
}

/** A document, and how to read its key files. */
export interface GivenDocument {
  readonly text: string;
  readonly file: string;
  readonly readKeyFile: ReadKeyFile;
}

/** What an apply would do. */
export interface Preparation {
  /** Of the document. */
  readonly warnings: readonly DocumentWarning[];
  /** Key files that are not here, whose keys stay as they are in the registry. */
  readonly keptKeys: readonly string[];
  /** What is in the registry now, or what is wrong with it; undefined where there is nothing. */
  readonly before: DesiredState | CidecarError | undefined;
  readonly after: DesiredState;
  /** In words. */
  readonly differences: readonly string[];
  readonly transitions: readonly Transition[];
  /** What hosts issue and hold: compared when it is applied, unless it is forced. */
  readonly guards: readonly ConfigGuard[];
  /** In their order. None where the registry holds what the document says. */
  readonly transactions: readonly KeyChange[][];
  /** What it was prepared on. */
  readonly snapshot: DesiredSnapshot;
  /** Of the desired state in it, as etcd counts; 0 where there is none. */
  readonly revision: number;
}

/**
 * Finds out what has to change so that the registry holds what a document says.
 *
 * @throws DocumentError where the document is not valid, or not together with what others put
 * into the registry, such as IDs that were handed out
 */
export async function prepareApply(
  { text, file, readKeyFile }: GivenDocument,
  options: ApplyOptions,
): Promise<Preparation> {
  const { client, keys, keyring, signal, most, schemes } = options;
  const snapshot = await readDesired(client, keys);
  const assembling = { keys, keyring, ...(schemes && { schemes }) };
  const present = assembled(snapshot.entries.values(), assembling);
  const before = present.begun ? stateOf(present) : undefined;
  const keyFiles = keptKeyFiles(readKeyFile, present, keyring);
  const parsed = await parseDocumentInSlices(
    text,
    { file, readKeyFile: keyFiles.read, ...(schemes && { schemes }) },
    signal,
  );
  const wanted = wantedPools(parsed, keyFiles.contents);
  const resting = await readResting(wanted, client, keys);
  const unreadable = unreadableKeys(snapshot, present, keys);
  const atoms = keyChanges(present, wanted, { ...options, unreadable, resting });
  const transactions = transactionsOf(atoms, most);
  const view = await readFleet(client, keys, snapshot.revision, {
    parts: ['acks', 'stale', 'liveAgents', 'uses', 'quarantines'],
  });
  const guards = configGuards(present, wanted, transactions.flat(), { snapshot, keys, view });
  const after = stateOf(assembled(entriesAfter(snapshot, transactions, keys), assembling));
  if (after instanceof CidecarError) throw after;
  const valid = before === undefined || before instanceof CidecarError ? undefined : before;
  return {
    warnings: parsed.warnings,
    keptKeys: keyFiles.kept,
    before,
    after,
    differences: differences(valid ?? { revision: '', pools: [] }, after),
    transitions: [
      ...restingTransitions(wanted, resting),
      ...guards.flatMap(({ violated }) => violated ?? []),
      ...(valid === undefined ? [] : transitions(valid, after)),
    ],
    guards,
    transactions,
    revision: snapshot.entries.get(keys.revision)?.modRevision ?? 0,
    snapshot,
  };
}

/** Keys that stand for nothing that can be read, such as those that somebody put by hand. */
function unreadableKeys({ entries }: DesiredSnapshot, present: Assembly, keys: Keys): string[] {
  const readable = new Set<string>([keys.revision]);
  for (const [key] of entriesOf(keys, present)) readable.add(key);
  return [...entries.keys()].filter((key) => !readable.has(key));
}

function entriesAfter(
  { entries, revision }: DesiredSnapshot,
  transactions: readonly KeyChange[][],
  keys: Keys,
): Iterable<{ key: string; value: Buffer; modRevision: number }> {
  const after = new Map<string, { key: string; value: Buffer; modRevision: number }>(entries);
  for (const change of transactions.flat()) {
    if (!keyOf(change).startsWith(keys.desired)) continue;
    if ('put' in change) {
      const value = Buffer.from(change.value);
      after.set(change.put, { key: change.put, value, modRevision: revision + 1 });
    } else if (change.prefix === true) {
      for (const key of after.keys()) if (key.startsWith(change.remove)) after.delete(key);
    } else after.delete(change.remove);
  }
  return after.values();
}
