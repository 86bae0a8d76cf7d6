// SPDX-License-Identifier: Apache-2.0
import type { Connection } from './connection.js';
import type { KeyValue, Kv, Snapshot } from './kv.js';
import { get, rangeUnchanged, withPrefix } from './operations.js';
import { type Change, type ChangeSet, Watch, type WatchHandlers } from './watch.js';

/** One prefix that is followed: its watch, and what came from it and is not handed over. */
export class FollowedPrefix {
  readonly prefix: string;
  /** Keys that there are at the last change that came. */
  count = 0;
  #watch: Watch | undefined;
  #waiting: ChangeSet[] = [];
  /** Revision of the last change that came. */
  #lastChange = 0;
  #passed = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Everything up to this revision came. */
  get passed(): number {
    return this.#passed;
  }

  get connected(): boolean {
    return this.#watch?.connected ?? false;
  }

  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Revision of the first transaction that waits; infinite where none does. */
  get firstWaiting(): number {
    return this.#waiting[0]?.revision ?? Number.POSITIVE_INFINITY;
  }

  start(connection: Connection, revision: number, handlers: WatchHandlers): void {
    this.#lastChange = revision;
    this.#passed = revision;
    this.#watch = new Watch(connection, withPrefix(this.prefix), revision + 1, handlers);
  }

  stop(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#waiting = [];
  }

  receive(sets: readonly ChangeSet[]): void {
    for (const set of sets) {
      // A change below what is confirmed was undone by another one before that.
      if (set.revision <= this.#passed) continue;
      for (const change of set.changes) {
        if (change.kind === 'removed') this.count -= 1;
        else if (change.entry.version === 1) this.count += 1;
      }
      this.#waiting.push(set);
      this.#lastChange = set.revision;
      this.#passed = set.revision;
    }
  }

  /** The changes of the transaction at `revision`, which then no longer wait. */
  take(revision: number): readonly Change[] {
    if (this.firstWaiting !== revision) return [];
    return this.#waiting.shift()?.changes ?? [];
  }

  /**
   * Finds out whether something is still on its way, and counts everything as come if not. Returns
   * the revision at which it looked.
   *
   * Nothing is on its way if no key has a later change than the last one that came, and their
   * number is what it was then. A key that was made and deleted since is not seen by this, and
   * makes no difference.
   */
  async confirm(kv: Pick<Kv, 'txn'>): Promise<number> {
    const { count } = this;
    const lastChange = this.#lastChange;
    const { held, revision, results } = await kv.txn(
      {
        when: [rangeUnchanged(this.prefix, lastChange)],
        success: [get(withPrefix(this.prefix), { countOnly: true })],
      },
      // etcd reads the whole range for this; sent twice, it would only take longer.
      { what: `check of ${this.prefix}*`, repeatable: true, attemptMs: 5_000, giveUpMs: 20_000 },
    );
    const [counted] = results;
    const same = counted?.kind === 'get' && counted.count === count;
    if (held && same && lastChange === this.#lastChange) {
      this.#passed = Math.max(this.#passed, revision);
    }
    return revision;
  }
}

/** Reads all keys of some prefixes at one revision, and counts them. */
export async function readPrefixes(
  kv: Pick<Kv, 'list'>,
  prefixes: readonly FollowedPrefix[],
  options: { readonly pageKeys?: number },
): Promise<Snapshot> {
  const entries: KeyValue[] = [];
  let revision = 0;
  for (const prefix of prefixes) {
    const part = await kv.list(prefix.prefix, { ...options, revision });
    revision = part.revision;
    prefix.count = part.entries.length;
    for (const entry of part.entries) entries.push(entry);
  }
  return { revision, entries };
}
