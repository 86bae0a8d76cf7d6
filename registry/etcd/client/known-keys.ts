// SPDX-License-Identifier: Apache-2.0
import type { KeyValue } from './kv.js';
import type { Change } from './watch.js';

/** Which keys were handed over, and at which change of each. */
export class KnownKeys {
  readonly #revisions = new Map<string, number>();
  #distrusted = false;

  /** Whether what was handed over says nothing of what is there now. */
  get distrusted(): boolean {
    return this.#distrusted;
  }

  /** Changes were handed over. */
  apply(changes: readonly Change[]): void {
    this.#distrusted = false;
    for (const change of changes) {
      if (change.kind === 'put') this.#revisions.set(change.entry.key, change.entry.modRevision);
      else this.#revisions.delete(change.key);
    }
  }

  /** What has to be handed over so that these entries are all there is. */
  differences(entries: readonly KeyValue[]): Change[] {
    const present = new Set(entries.map(({ key }) => key));
    const changes: Change[] = [];
    for (const key of this.#revisions.keys()) {
      if (!present.has(key)) changes.push({ kind: 'removed', key });
    }
    for (const entry of entries) {
      if (this.#revisions.get(entry.key) !== entry.modRevision)
        changes.push({ kind: 'put', entry });
    }
    return changes;
  }

  /** The keys stay known; what is in them may be anything. */
  distrust(): void {
    this.#distrusted = true;
    for (const key of this.#revisions.keys()) this.#revisions.set(key, 0);
  }
}
