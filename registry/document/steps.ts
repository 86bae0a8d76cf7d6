// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises';

/**
 * Work that is cut into steps. A document can hold a million server IDs and takes seconds to
 * read, during which a daemon has clients to serve and signals to obey; so the reading yields
 * after every few milliseconds of work, and whoever runs it decides whether to pause there.
 */
export type Steps<Result> = Generator<undefined, Result, undefined>;

/** Milliseconds of work between two pauses. */
const SLICE_MS = 8;

/** How many cheap items (a lookup, a comparison) make a step. */
export const ITEMS_PER_STEP = 1024;

/** All steps at once, for programs that have nothing else to do. */
export function runAtOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * The steps in slices of a few milliseconds, between which the event loop turns.
 *
 * @param signal when it is aborted, the work ends at the next pause and throws its reason
 */
export async function runInSlices<Result>(
  steps: Steps<Result>,
  signal: AbortSignal,
): Promise<Result> {
  let begun = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - begun < SLICE_MS) continue;
    await turn();
    signal.throwIfAborted();
    begun = performance.now();
  }
}
