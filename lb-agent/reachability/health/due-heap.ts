// SPDX-License-Identifier: Apache-2.0

interface Entry<Item> {
  readonly at: number;
  readonly item: Item;
}

/** What is due when: a binary heap, because ten thousand servers are due each second. */
export class DueHeap<Item> {
  #entries: Entry<Item>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** When the first is due; undefined where nothing is. */
  get next(): number | undefined {
    return this.#entries[0]?.at;
  }

  add(at: number, item: Item): void {
    const entries = this.#entries;
    let place = entries.length;
    const entry = { at, item };
    entries.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = entries[above];
      if (other === undefined || other.at <= at) break;
      entries[place] = other;
      place = above;
    }
    entries[place] = entry;
  }

  /** Takes out the first that is due by then. */
  take(by: number): Item | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (first === undefined || first.at > by) return undefined;
    const last = entries.pop();
    if (last !== undefined && entries.length > 0) this.#sink(last);
    return first.item;
  }

  clear(): void {
    this.#entries = [];
  }

  #sink(entry: Entry<Item>): void {
    const entries = this.#entries;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      const [left, right] = [entries[below], entries[below + 1]];
      if (left === undefined) break;
      if (right !== undefined && right.at < left.at) below++;
      const lower = entries[below];
      if (lower === undefined || lower.at >= entry.at) break;
      entries[place] = lower;
      place = below;
    }
    entries[place] = entry;
  }
}
