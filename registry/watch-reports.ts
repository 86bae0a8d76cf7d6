// SPDX-License-Identifier: Apache-2.0
import { SayOnce } from '../core/index.js';
import type { DesiredState, WatchHandlers } from './types.js';

/**
 * What the last `read()` of a store handed out. A caller may have put that in force, so watches
 * report a state that differs from it, whatever they reported before.
 */
export class LastRead {
  #outcome: ReadOutcome | undefined;

  /** Undefined before the first read. Every read makes a new object, even for an equal state. */
  get outcome(): ReadOutcome | undefined {
    return this.#outcome;
  }

  /** Notes what a `read()` is about to hand out. */
  handsOut(state: DesiredState): void {
    this.#outcome = { revision: state.revision };
  }

  /** Notes that a `read()` is about to reject. */
  fails(): void {
    this.#outcome = { revision: undefined };
  }
}

interface ReadOutcome {
  /** Undefined if the read failed. */
  readonly revision: string | undefined;
}

/**
 * Decides what one watch of a store reports, so that all stores report the same (`watch` of
 * Registry says what). The store calls {@link begin} first, then passes in every state and every
 * error that it finds, and calls the handlers never itself.
 */
export class WatchReports {
  readonly #handlers: WatchHandlers;
  readonly #lastRead: LastRead;
  readonly #errors = new SayOnce();
  /** The revision that this watch found last, or that was read before it began. */
  #revision: string | undefined;
  /** The last read that this watch has taken into account. */
  #readSeen: ReadOutcome | undefined;
  #closed = false;

  constructor(handlers: WatchHandlers, lastRead: LastRead) {
    this.#handlers = handlers;
    this.#lastRead = lastRead;
    this.#readSeen = lastRead.outcome;
    this.#revision = lastRead.outcome?.revision;
  }

  /**
   * Learns the state in force, which is not reported. It calls `look` for that unless a read
   * handed it out before. If there is no valid state, the first one counts as a change.
   */
  async begin(look: () => Promise<DesiredState>): Promise<void> {
    if (this.#revision !== undefined) return;
    try {
      this.#revision = (await look()).revision;
    } catch {
      // The store finds the same error again when it looks next, and it is reported then.
    }
  }

  /** Takes a valid state that the store found; throws what `onChange` throws. */
  found(state: DesiredState): void {
    if (this.#closed) return;
    const read = this.#lastRead.outcome;
    const readOther = read !== this.#readSeen && read?.revision !== state.revision;
    const changed = this.#errors.over() || state.revision !== this.#revision || readOther;
    this.#readSeen = read;
    this.#revision = state.revision;
    if (changed) this.#handlers.onChange(state);
  }

  /** Takes an error in place of a state. The same error is reported once in a row. */
  failed(thrown: unknown): void {
    if (this.#closed || !this.#errors.isNews(thrown)) return;
    try {
      this.#handlers.onError(asError(thrown));
    } catch (error) {
      process.emitWarning(asError(error));
    }
  }

  /** Nothing is reported from now on. */
  close(): void {
    this.#closed = true;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
