// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { MAX_SERVER_IDS } from '../../../document/limits.js';
import { integer, name, needs } from '../../../document/shape.js';

// IDs that nobody owns at present. Fields that are not known are left out and are no error, so
// that hosts of two versions can work together.

/** `rest/...`: a run of IDs in quarantine, by its first ID. */
export const restValue = z.object({
  /** Who owned them. */
  server: name('server'),
  count: integer(1, MAX_SERVER_IDS).default(1),
  /**
   * The revision of etcd at which they were taken from their owner. Who takes them in the same
   * transaction leaves it out: it is the revision at which this key was made.
   */
  removedAt: integer(0, Number.MAX_SAFE_INTEGER).optional(),
  /** Seconds of rest so far, as controllers measured them on their own clocks. */
  restedSeconds: z.number(needs('seconds')).min(0, needs('seconds, 0 or more')).default(0),
});

export type RestValue = z.infer<typeof restValue>;

/** `pinned/...`: a run of IDs that allocation leaves alone, by its first ID. */
export const pinnedValue = z.object({
  /** For which server they are kept; left out where nobody gets them. */
  server: name('server').optional(),
  count: integer(1, MAX_SERVER_IDS).default(1),
  /** For people. */
  why: z.string(needs('a text')).optional(),
});

export type PinnedValue = z.infer<typeof pinnedValue>;
