// SPDX-License-Identifier: Apache-2.0
import { MAX_FINDINGS } from './limits.js';

/**
 * A list of bounded length: one slip can repeat in each of a million lines, and to find the
 * place of each takes longer than anybody wants to read. Further ones are counted.
 */
export class Findings<Finding> {
  readonly kept: Finding[] = [];
  #more = 0;

  /** How many were found beyond those that are kept. */
  get more(): number {
    return this.#more;
  }

  get full(): boolean {
    return this.kept.length >= MAX_FINDINGS;
  }

  /** `make` is called only where the finding is kept. */
  add(make: () => Finding): void {
    if (this.full) this.#more += 1;
    else this.kept.push(make());
  }

  /** Findings of which only the number is known. */
  addUnseen(count: number): void {
    this.#more += count;
  }
}
