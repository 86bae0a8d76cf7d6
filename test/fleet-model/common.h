/* SPDX-License-Identifier: Apache-2.0 */
#define NONE 255

/* The invariants, by the number that spin reports; run.ts has their names. */
#define ONE_OWNER 1
#define DECODABLE 2
#define ONE_MEANING 3
#define AS_ASKED 4
#define KEPT 5
#define FITS 6

/* What a run has to be able to reach: WANTED is the number of a goal, or 0 for none. */
#define GOAL(which, reached) INVARIANT(9, WANTED != which || !(reached))

byte broken;
#define INVARIANT(which, holds) \
  if \
  :: (holds) \
  :: else -> broken = which \
  fi; \
  assert(broken != which)
