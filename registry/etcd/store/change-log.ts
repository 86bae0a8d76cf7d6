// SPDX-License-Identifier: Apache-2.0

/** Octets of changes that are kept; what is older is in a saved state, or is saved as a whole. */
const MAX_OCTETS = 8 * 1024 * 1024;

/** The latest changes of keys, as lines of JSON: `[key, value]`, or `[key, null]` of a deletion. */
export class ChangeLog {
  #lines: string[] = [];
  /** How many came before those that are kept. */
  #dropped = 0;
  #octets = 0;

  /** How many there were. */
  get end(): number {
    return this.#dropped + this.#lines.length;
  }

  add(key: string, value: string | null): void {
    const line = `${JSON.stringify([key, value])}\n`;
    this.#lines.push(line);
    this.#octets += line.length;
    if (this.#octets > MAX_OCTETS) this.skip();
  }

  /** Changes that are not among the lines. */
  skip(): void {
    this.#dropped = this.end + 1;
    this.#lines = [];
    this.#octets = 0;
  }

  /** The changes from one end to a later one; undefined where they are not kept. */
  between(from: number, to: number): readonly string[] | undefined {
    if (from < this.#dropped || from > to || to > this.end) return undefined;
    return this.#lines.slice(from - this.#dropped, to - this.#dropped);
  }
}
