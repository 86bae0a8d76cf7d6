// SPDX-License-Identifier: Apache-2.0
import type { Member } from './member-file.js';
import type { Standing } from './standing.js';

export interface MayAttachFacts {
  readonly standing: Standing;
  /** What it remembers of its membership. */
  readonly member: Member | undefined;
  /** The revision that the others know it to hold; undefined where they know none. */
  readonly waitedFor: number | undefined;
  /** The revision that it holds. */
  readonly inKernel: number;
  /** Whether etcd does not answer. */
  readonly away: boolean;
}

/**
 * Whether the others wait for an agent that is not attached before they free what it may route by.
 * OUT_CAUGHT_UP: one that was counted out, or never joined, has to be live.
 */
export function mayAttach({ standing, member, waitedFor, inKernel, away }: MayAttachFacts) {
  if (standing === 'live') return true;
  // By the word of its disk: its own announcement takes the word out of the store.
  if (member === 'out') return false;
  if (waitedFor !== undefined && waitedFor <= inKernel) return true;
  return member === 'joined' && away;
}
