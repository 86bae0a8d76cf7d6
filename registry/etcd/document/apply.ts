// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomUUID } from 'node:crypto';
import { CidecarError, parseJson } from '../../../core/index.js';
import { absent, type KeyValue, type Operation, put } from '../client/index.js';
import { eventPut, leaseForEvents } from '../layout/events.js';
import { LAYOUT_VERSION } from '../layout/keys.js';
import { valueText } from '../layout/read-value.js';
import type { MetaValue } from '../layout/values/meta.js';
import type { DesiredSnapshot } from '../store/read-once.js';
import { type ConfigGuard, touches } from './config-guards.js';
import type { KeyChange } from './key-changes.js';
import {
  type ApplyOptions,
  type GivenDocument,
  type Preparation,
  prepareApply,
} from './prepare.js';
import { keyOf, operationOf } from './transactions.js';

/** Octets of the salt of digests. */
const SALT_OCTETS = 16;

export interface Applied {
  /** Of etcd, when the last change was made. */
  readonly revision: number;
  readonly transactions: number;
}

/**
 * Puts a document into etcd, as it was prepared. Each transaction is made only if nothing has
 * changed the desired state since the one before it, or since it was prepared. Where something
 * has that this document leaves alone, it goes on; else it is told, and what was done by then is
 * gone on from by the next apply.
 *
 * @param forced names of transitions that were forced, for the event
 * @throws CidecarError REGISTRY_CHANGED, or what etcd refuses
 */
export async function apply(
  prepared: Preparation,
  document: GivenDocument,
  forced: readonly string[],
  options: ApplyOptions,
): Promise<Applied | undefined> {
  const { client, keys, by } = options;
  if (prepared.transactions.length === 0) return undefined;
  const id = randomUUID();
  const lease = await leaseForEvents(client);
  let plan = prepared;
  let seen = prepared.revision;
  let next = 0;
  let step = 0;
  for (;;) {
    const changes = plan.transactions[next];
    if (changes === undefined) return { revision: seen, transactions: step };
    options.signal.throwIfAborted();
    const success = changes.map(operationOf);
    const begins = plan.snapshot.meta === undefined && next === 0;
    if (begins) success.push(newMeta(keys.meta));
    if (next === plan.transactions.length - 1) {
      const { differences } = prepared;
      const event = { by, what: 'apply', changes: [...differences], forced: [...forced] };
      const at = new Date().toISOString();
      success.push(eventPut(keys, plan.snapshot.revision + step, lease, { ...event, at, seen }));
    }
    const result = await client.transact({
      what: `apply of ${document.file}`,
      mark: { key: keys.revision, value: valueText({ by, apply: id, step }), before: seen },
      when: [
        ...(begins ? [absent(keys.meta)] : []),
        ...guardsOf(plan, changes, forced).flatMap(({ conditions }) => conditions),
      ],
      success,
    });
    step += 1;
    if (result.done) {
      seen = result.revision;
      next += 1;
      continue;
    }
    const rest = plan.transactions.slice(next);
    const now = await prepareApply(document, options);
    const violated = guardsOf(now, rest.flat(), forced).find((each) => each.violated)?.violated;
    if (violated !== undefined) {
      throw new CidecarError(
        'REGISTRY_CHANGED',
        `what hosts do changed meanwhile: ${violated.message}`,
      );
    }
    const untouched = !rest.flat().some((change) => wasChanged(change, plan.snapshot, now, seen));
    if (!untouched || !sameChanges(rest, now.transactions)) throw changedBy(result.mark?.value);
    plan = now;
    seen = plan.revision;
    next = 0;
  }
}

/** What has to hold for these changes. */
function guardsOf(
  { guards }: Preparation,
  changes: readonly KeyChange[],
  forced: readonly string[],
): readonly ConfigGuard[] {
  return guards.filter(
    ({ name, key }) => !forced.includes(name) && changes.some((change) => touches(change, key)),
  );
}

function newMeta(key: string): Operation {
  const meta: MetaValue = {
    layout: LAYOUT_VERSION,
    salt: randomBytes(SALT_OCTETS).toString('hex'),
  };
  return put(key, valueText(meta));
}

/** Whether somebody else changed the key of a change after the revision that was ours. */
function wasChanged(
  change: KeyChange,
  before: DesiredSnapshot,
  { snapshot: { entries } }: Preparation,
  ours: number,
): boolean {
  const key = keyOf(change);
  const changed = (entry: KeyValue | undefined, old: KeyValue | undefined) =>
    entry === undefined ? old !== undefined : entry.modRevision > ours;
  if (!('prefix' in change)) return changed(entries.get(key), before.entries.get(key));
  return [...entries].some(([name, entry]) => name.startsWith(key) && changed(entry, undefined));
}

/** Whether what is left to do is what was left before. Keys are sealed anew each time. */
function sameChanges(a: readonly KeyChange[][], b: readonly KeyChange[][]): boolean {
  const text = (changes: readonly KeyChange[][]) =>
    JSON.stringify(
      [...new Map(changes.flat().map((each) => [keyOf(each), withoutSeal(each)]))].sort(),
    );
  return text(a) === text(b);
}

function withoutSeal(change: KeyChange): string {
  if (!('put' in change)) return 'removed';
  const value: unknown = JSON.parse(change.value);
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && 'sealed' in part ? 'sealed' : part,
  );
}

function changedBy(mark: Buffer | undefined): CidecarError {
  const who = byOf(mark?.toString() ?? '');
  const whom = who === undefined ? '' : ` by ${who}`;
  const message = `the registry was changed meanwhile${whom}, in what this document changes`;
  return new CidecarError('REGISTRY_CHANGED', message);
}

function byOf(text: string): string | undefined {
  const value = parseJson(text);
  const by = typeof value === 'object' && value !== null && Reflect.get(value, 'by');
  return typeof by === 'string' ? by : undefined;
}
