// SPDX-License-Identifier: Apache-2.0
import type { Connection } from './connection.js';
import type { KeyValue, Kv, Snapshot } from './kv.js';
import { get, type KeyRange, octets, rangeUnchanged, withPrefix } from './operations.js';
import { type Change, type ChangeSet, Watch, type WatchHandlers } from './watch.js';

/** What can be followed: all keys with a prefix, or one key alone. */
export type Followed = string | { readonly key: string };

/**
 * The keys that are followed, and what came of their changes and is not handed over. One watch has
 * them all, over everything from the first to the last of them, because etcd sends what one
 * transaction changed in one message to each watch, and tells nobody whether another watch gets
 * one too. What lies between and is not followed is left out here.
 */
export class FollowedKeys {
  readonly #followed: readonly Followed[];
  /** Keys that there are at the last change that came. */
  count = 0;
  #watch: Watch | undefined;
  #waiting: ChangeSet[] = [];
  /** Revision of the last change that came of a key that is followed. */
  #lastChange = 0;
  #passed = 0;

  constructor(followed: readonly Followed[]) {
    const ranges = followed.map(rangeOf);
    for (const [at, range] of ranges.entries()) {
      const inside = followed.find((each, other) => other !== at && isWithin(range, each));
      if (inside !== undefined) throw new RangeError(`${range.key} lies inside ${nameOf(inside)}`);
    }
    this.#followed = followed;
  }

  /** For messages. */
  get name(): string {
    return this.#followed.map(nameOf).join(', ');
  }

  /** Everything up to this revision came. */
  get passed(): number {
    return this.#passed;
  }

  get connected(): boolean {
    return this.#watch?.connected ?? false;
  }

  /** Reads all of them at one revision, and counts them. */
  async read(kv: Pick<Kv, 'list'>, options: { readonly pageKeys?: number }): Promise<Snapshot> {
    const entries: KeyValue[] = [];
    let revision = 0;
    for (const each of this.#followed) {
      const part = await kv.list(rangeOf(each), { ...options, revision });
      revision = part.revision;
      for (const entry of part.entries) entries.push(entry);
    }
    this.count = entries.length;
    return { revision, entries };
  }

  start(connection: Connection, revision: number, handlers: WatchHandlers): void {
    this.#lastChange = revision;
    this.#passed = revision;
    this.#watch = new Watch(connection, hullOf(this.#followed), revision + 1, handlers);
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
      this.#passed = set.revision;
      const changes = set.changes.filter((change) => this.#follows(keyOf(change)));
      if (changes.length === 0) continue;
      for (const change of changes) {
        if (change.kind === 'removed') this.count -= 1;
        else if (change.entry.version === 1) this.count += 1;
      }
      this.#lastChange = set.revision;
      this.#waiting.push({ revision: set.revision, changes });
    }
  }

  /** The first transaction that waits, which then no longer does. */
  take(): ChangeSet | undefined {
    return this.#waiting.shift();
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
    const ranges = this.#followed.map(rangeOf);
    const { held, revision, results } = await kv.txn(
      {
        when: ranges.map((range) => rangeUnchanged(range, lastChange)),
        success: ranges.map((range) => get(range, { countOnly: true })),
      },
      // etcd reads the whole ranges for this; sent twice, it would only take longer.
      { what: `check of ${this.name}`, repeatable: true, attemptMs: 5_000, giveUpMs: 20_000 },
    );
    const counted = results.reduce((sum, each) => sum + (each.kind === 'get' ? each.count : 0), 0);
    if (held && counted === count && lastChange === this.#lastChange) {
      this.#passed = Math.max(this.#passed, revision);
    }
    return revision;
  }

  #follows(key: string): boolean {
    return this.#followed.some((each) => isWithin({ key }, each));
  }
}

function keyOf(change: Change): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}

function nameOf(followed: Followed): string {
  return typeof followed === 'string' ? `${followed}*` : followed.key;
}

function rangeOf(followed: Followed): KeyRange & { readonly key: string } {
  return typeof followed === 'string' ? withPrefix(followed) : followed;
}

/** Whether the first key of a range is followed. */
function isWithin({ key }: { readonly key: string }, followed: Followed): boolean {
  return typeof followed === 'string' ? key.startsWith(followed) : key === followed.key;
}

/** The range from the first to the last key of some. */
function hullOf(followed: readonly Followed[]): KeyRange {
  const [only, ...others] = followed;
  if (only === undefined) throw new RangeError('nothing is followed');
  if (others.length === 0) return rangeOf(only);
  const ranges = followed.map((each) => {
    const { key, end } = rangeOf(each);
    return { key: octets(key), end: end ?? Buffer.from(`${key}\0`) };
  });
  return ranges.reduce((a, b) => ({
    key: Buffer.compare(a.key, b.key) <= 0 ? a.key : b.key,
    end: Buffer.compare(a.end, b.end) >= 0 ? a.end : b.end,
  }));
}
