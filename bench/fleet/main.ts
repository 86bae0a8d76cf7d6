// SPDX-License-Identifier: Apache-2.0
import { describeError } from '../../core/index.js';
import { measureChanges } from './changes.js';
import { measureGrowth, measureRegistration } from './growth.js';
import { measureMillion } from './million.js';
import type { FleetFailure, FleetRow } from './row.js';
import { FleetWorld } from './world.js';

/** In this order; each has a prefix of its own in etcd, and ends its agents. */
const PARTS = {
  changes: measureChanges,
  registration: measureRegistration,
  million: measureMillion,
  growth: measureGrowth,
};
/** Milliseconds that a part may take: on a machine that is too busy the others come nevertheless. */
const PART_MS = 240_000;

/**
 * benchFleet runs this program, with a pin folder and a folder of its own as arguments; the names
 * of parts may follow, where not all are wanted.
 */
const [pinFolder = '', folder = '', ...names] = process.argv.slice(2);
const rows: FleetRow[] = [];
const failures: FleetFailure[] = [];

/** What is measured is shown as it comes, for who waits. */
function add(row: FleetRow): void {
  process.stderr.write(`fleet: ${row.case}: ${row.value.toFixed(1)} ${row.unit}\n`);
  rows.push(row);
}

/** Rejects when the part has had its time, and its result is of no interest any more. */
async function bounded(part: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const reason = new Error(`it did not end within ${PART_MS / 1_000} s`);
    timer = setTimeout(() => reject(reason), PART_MS);
  });
  try {
    await Promise.race([part, late]);
  } finally {
    clearTimeout(timer);
    // Its processes end now, of which it may still hear.
    part.catch(() => undefined);
  }
}

/** Without the stack, which says nothing here. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : describeError(error);
}

const world = await FleetWorld.start(pinFolder, folder);
try {
  for (const [part, measure] of Object.entries(PARTS)) {
    if (names.length > 0 && !names.includes(part)) continue;
    try {
      let ended = false;
      const addHere = (row: FleetRow) => {
        // A part that had its time may still be at work.
        if (!ended) add(row);
      };
      await bounded(measure(world, addHere)).finally(() => {
        ended = true;
      });
    } catch (error) {
      process.stderr.write(`fleet: ${part} did not come to its end: ${reasonOf(error)}\n`);
      failures.push({ part, reason: reasonOf(error) });
    }
    await world.clear();
  }
} finally {
  await world.dispose();
}
process.stdout.write(`${JSON.stringify({ rows, failures })}\n`);
