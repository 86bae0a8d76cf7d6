// SPDX-License-Identifier: Apache-2.0
import type { Path } from '../document/path.js';
import { type Severity, TRANSITIONS, type TransitionName } from './catalogue.js';

/** One thing that a change from one valid state to another does to connections or CIDs. */
export interface Transition {
  readonly name: TransitionName;
  readonly severity: Severity;
  /** The name of the pool: the present one, or the former one where it is gone. */
  readonly pool: string;
  /** A whole sentence that says what happens, with the names of pool, config and server. */
  readonly message: string;
  /** What to do instead. */
  readonly instead: string;
  /** Where the new document says so: the thing itself, or what it was removed from. */
  readonly path: Path;
}

/** How many of one kind are named; a slip can repeat in each of a million IDs or pools. */
export const NAMED = 20;

/** Collects transitions, of bounded number. */
export class Found {
  readonly #all: Transition[] = [];
  readonly #counts = new Map<TransitionName, { readonly last: Transition; count: number }>();

  /** @param message called only where the transition is among those that are named */
  add(name: TransitionName, pool: string, path: Path, message: () => string): void {
    const known = this.#counts.get(name);
    if (known !== undefined && known.count >= NAMED) {
      known.count += 1;
      return;
    }
    const transition = { name, ...TRANSITIONS[name], pool, path, message: message() };
    this.#all.push(transition);
    this.#counts.set(name, { last: transition, count: (known?.count ?? 0) + 1 });
  }

  /** Those that lose connections first, notes last; else in the order in which they were found. */
  get transitions(): Transition[] {
    const more = [...this.#counts.values()].flatMap(({ last, count }) => {
      if (count <= NAMED) return [];
      const message = `${count - NAMED} more of this kind were found.`;
      return [{ ...last, message }];
    });
    const rank: Readonly<Record<Severity, number>> = { loses: 0, repeats: 1, note: 2 };
    return [...this.#all, ...more].sort((a, b) => rank[a.severity] - rank[b.severity]);
  }
}
