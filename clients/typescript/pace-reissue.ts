// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';

export interface PaceOptions {
  /** When the last is to be done. A deadline in the past paces nothing. */
  readonly deadline: Date;
  readonly signal?: AbortSignal;
  /** For tests. */
  readonly clock?: PaceClock;
}

export interface PaceClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects when the signal fires. */
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
}

/** An item for which `replace` threw. */
export interface PaceFailure<Item> {
  readonly item: Item;
  readonly error: unknown;
}

const SYSTEM_CLOCK: PaceClock = {
  now: Date.now,
  sleep: (milliseconds, signal) => setTimeout(milliseconds, undefined, signal ? { signal } : {}),
};

/** The last part of the time is left for connections that were slow. */
const USED_PART = 0.8;
/** A connection or a few every so many milliseconds. */
const STEP = 20;

/**
 * Calls `replace` for each item, spread evenly over the time until the deadline: new CIDs
 * for all connections at once would be a burst on the network and a queue at the sidecar.
 * Per connection, the peer's active_connection_id_limit is the stack's to keep. An item that
 * throws does not keep the others from their turn: resolves with those that did (`replace` is
 * not awaited, so what fails later is its own to catch). Rejects only
 * when the signal fires.
 */
export async function paceReissue<Item>(
  items: readonly Item[],
  replace: (item: Item) => void,
  { deadline, signal, clock = SYSTEM_CLOCK }: PaceOptions,
): Promise<readonly PaceFailure<Item>[]> {
  const failures: PaceFailure<Item>[] = [];
  const began = clock.now();
  const time = (deadline.getTime() - began) * USED_PART;
  let done = 0;
  while (done < items.length) {
    signal?.throwIfAborted();
    const part = time > 0 ? Math.min(1, (clock.now() - began) / time) : 1;
    const due = Math.max(done + 1, Math.ceil(part * items.length));
    for (const item of items.slice(done, due)) {
      try {
        replace(item);
      } catch (error) {
        failures.push({ item, error });
      }
    }
    done = due;
    if (done < items.length) await clock.sleep(Math.max(STEP, time / items.length), signal);
  }
  return failures;
}
