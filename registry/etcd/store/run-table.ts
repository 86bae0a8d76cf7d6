// SPDX-License-Identifier: Apache-2.0
import { ITEMS_PER_STEP, type Steps } from '../../document/steps.js';

/** A run of consecutive IDs, as a key of etcd has it. */
export interface IdRun {
  readonly key: string;
  /** The first ID, and the last one, in hex digits. */
  readonly hex: string;
  readonly last: string;
  readonly count: number;
  readonly server: string;
  readonly allocated: boolean;
}

/** A run that has IDs of another one, which begins before it or at the same ID. */
export interface Overlap {
  readonly run: IdRun;
  readonly earlier: IdRun;
}

/**
 * The runs of one config, in the order of their IDs. As long as no two overlap, a change is
 * checked against its neighbours alone.
 */
export class RunTable {
  #runs: IdRun[] = [];
  #suspect = false;

  /** In the order of their IDs. */
  get runs(): readonly IdRun[] {
    return this.#runs;
  }

  /** Puts a run in, in place of one that begins at the same ID, which it returns. */
  put(run: IdRun): IdRun | undefined {
    const at = this.#placeOf(run.hex);
    const there = this.#runs[at];
    const replaced = there?.hex === run.hex ? there : undefined;
    if (at === this.#runs.length) this.#runs.push(run);
    else this.#runs.splice(at, replaced === undefined ? 0 : 1, run);
    const before = this.#runs[at - 1];
    const after = this.#runs[at + 1];
    if ((before && meet(before, run)) || (after && meet(run, after))) this.#suspect = true;
    return replaced;
  }

  delete(hex: string): IdRun | undefined {
    const at = this.#placeOf(hex);
    const there = this.#runs[at];
    if (there?.hex !== hex) return undefined;
    this.#runs.splice(at, 1);
    return there;
  }

  /** A run of this table that has an ID of another table's run. */
  meeting(run: IdRun): IdRun | undefined {
    const at = this.#placeOf(run.hex);
    const [before, here] = [this.#runs[at - 1], this.#runs[at]];
    if (before !== undefined && meet(before, run)) return before;
    return here !== undefined && meet(run, here) ? here : undefined;
  }

  *overlaps(): Steps<Overlap[]> {
    if (!this.#suspect) return [];
    const found: Overlap[] = [];
    let longest: IdRun | undefined;
    for (const [index, run] of this.#runs.entries()) {
      if (index % ITEMS_PER_STEP === 0) yield;
      if (longest !== undefined && meet(longest, run)) found.push({ run, earlier: longest });
      if (longest === undefined || longest.last < run.last) longest = run;
    }
    this.#suspect = found.length > 0;
    return found;
  }

  /** Of the first run that begins at this ID or after it. */
  #placeOf(hex: string): number {
    let low = 0;
    let high = this.#runs.length;
    // Keys come in their order when all are read.
    const last = this.#runs[high - 1];
    if (last === undefined || last.hex < hex) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.hex ?? '') < hex) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether two runs, in their order, have an ID in common. IDs of two lengths are told elsewhere. */
function meet(first: IdRun, second: IdRun): boolean {
  return first.hex.length === second.hex.length && first.last >= second.hex;
}
