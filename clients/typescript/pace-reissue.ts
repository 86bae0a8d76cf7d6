// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';

export interface PaceOptions {
  /** When the last item is to be replaced. With a deadline in the past all are replaced at once. */
  readonly deadline: Date;
  readonly signal?: AbortSignal;
  /** Tests pass their own. */
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

/** The part of the time that is used. The rest is left for connections that are slow. */
const USED_PART = 0.8;
/** Milliseconds between two steps, each of one connection or a few. */
const STEP = 20;

/**
 * Calls `replace` for each item, spread evenly over the time until the deadline: new CIDs for
 * all connections at once would be a burst on the network and a queue at the sidecar. The stack
 * has to keep to the active_connection_id_limit of each connection.
 *
 * An item for which `replace` throws does not keep the others from their turn; resolves with
 * those items. `replace` is not awaited, so it has to catch what fails later. Rejects only when
 * the signal fires.
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
