// SPDX-License-Identifier: Apache-2.0

export interface Thresholds {
  /** Answers in a row that bring it back. */
  readonly up: number;
  /** Misses in a row that take it out. */
  readonly down: number;
}

/** `unproven`: nothing has been heard, nor missed often enough. */
export type Standing = 'unproven' | 'up' | 'down';

/**
 * What a row of answers and misses says of one thing that is checked. The first answer proves
 * what is unproven; after that a change takes as many in a row as the pool asks for.
 */
export class Hysteresis {
  #standing: Standing;
  #answers = 0;
  #misses = 0;

  constructor(standing: Standing) {
    this.#standing = standing;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Since the last answer. */
  get misses(): number {
    return this.#misses;
  }

  answered({ up }: Thresholds): void {
    this.#misses = 0;
    this.#answers += 1;
    if (this.#standing === 'unproven' || this.#answers >= up) this.#standing = 'up';
  }

  missed({ down }: Thresholds): void {
    this.#answers = 0;
    this.#misses += 1;
    if (this.#misses >= down) this.#standing = 'down';
  }
}
