// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';

export interface PaceOptions {
  /** When the last is to be done. A deadline in the past paces nothing. */
  readonly deadline: Date;
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

/** The last part of the time is left for connections that were slow. */
const USED_PART = 0.8;
/** A connection or a few every so many milliseconds. */
const STEP = 20;

/**
 * Calls `replace` for each item, spread evenly over the time until the deadline: new CIDs
 * for all connections at once would be a burst on the network and a queue at the sidecar.
 * Per connection, the peer's active_connection_id_limit is the stack's to keep. Rejects
 * when the signal fires.
 */
export async function paceReissue<Item>(
  items: readonly Item[],
  replace: (item: Item) => void,
  { deadline, signal, now = Date.now }: PaceOptions,
): Promise<void> {
  const began = now();
  const time = (deadline.getTime() - began) * USED_PART;
  let done = 0;
  while (done < items.length) {
    const part = time <= 0 ? 1 : Math.min(1, (now() - began) / time);
    const due = Math.max(done + 1, Math.ceil(part * items.length));
    for (const item of items.slice(done, due)) replace(item);
    done = due;
    if (done < items.length) {
      const next = Math.max(STEP, time / items.length);
      await sleep(next, undefined, signal === undefined ? {} : { signal });
    }
  }
}
