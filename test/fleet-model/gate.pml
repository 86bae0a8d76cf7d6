/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balancers first. A thing (an ID, a config) is written at revision 1, and something else at 2. A
 * sidecar issues under the thing from when its gate has passed, for as long as it likes. Agents
 * join before, in between and after; they lag, lose their leases (one, or all at once), are taken
 * for stale, restart from their disks, and come back.
 *
 * GUARD_... are 1, or 0 in a mutant; run.ts sets them.
 */
#include "common.h"

#define AGENTS 2
#define MAX_REVISION 2
#define THING 1               /* the revision that brings it */
#define GRACE 1

/* Where an agent stands: nowhere yet, in acks/, in stale/. */
#define NOWHERE 0
#define ACKS 1
#define STALE 2

/* The store. */
byte revision;
byte standing[AGENTS];
byte acknowledged[AGENTS];
bool live[AGENTS];            /* live/agents/ */

/* The agents. */
bool joining[AGENTS];
byte mustReach[AGENTS];
byte kernel[AGENTS];
byte disk[AGENTS];
/* How long yet an agent whose lease is gone counts as one that lives. */
byte grace[AGENTS];

/* The controller: for how long it has seen no sign of life. */
byte missing[AGENTS] = NONE;
/* ... and whether acks/ was rewritten since, which whoever puts live/ does. */
bool rewritten[AGENTS];

bool issues;

#define ackable(a) (GUARD_ACK_KERNEL -> \
  (GUARD_ACK_DISK -> (disk[a] < kernel[a] -> disk[a] : kernel[a]) : kernel[a]) : revision)
#define counts(a) (live[a] || grace[a] > 0)
#define passes(a) (standing[a] != ACKS || acknowledged[a] >= THING)
#define reads(a) (!counts(a) || kernel[a] >= THING)

inline check() {
  INVARIANT(DECODABLE, !issues || (reads(0) && reads(1)))
}

inline agent(a) {
  if
  :: d_step { kernel[a] < revision -> kernel[a] = revision;
       printf("agent %d: kernel at %d\n", a, revision) }
  :: d_step { disk[a] != kernel[a] -> disk[a] = kernel[a];
       printf("agent %d: disk at %d\n", a, disk[a]) }
  :: d_step { kernel[a] != disk[a] -> kernel[a] = disk[a];
       printf("agent %d: restarts from its disk, kernel at %d\n", a, kernel[a]); check() }
  :: d_step { standing[a] == ACKS && acknowledged[a] < ackable(a) -> acknowledged[a] = ackable(a);
       printf("agent %d: acknowledges %d\n", a, acknowledged[a]) }
  /* Joining, first step. */
  :: d_step { !live[a] && !joining[a] && (standing[a] != ACKS) ->
       standing[a] = ACKS; acknowledged[a] = ackable(a); mustReach[a] = revision;
       joining[a] = true; rewritten[a] = missing[a] != NONE;
       printf("agent %d: announces itself with %d\n", a, acknowledged[a]) }
  /* Joining, second step. */
  :: d_step { joining[a] && (acknowledged[a] >= mustReach[a] || !GUARD_CAUGHT_UP) &&
       (standing[a] == ACKS || !GUARD_ANNOUNCED) ->
       live[a] = true; joining[a] = false; mustReach[a] = 0; grace[a] = 0; rewritten[a] = missing[a] != NONE;
       printf("agent %d: is live\n", a);
       GOAL(2, issues && live[0] && live[1]); check() }
  :: d_step { joining[a] && standing[a] != ACKS -> joining[a] = false; mustReach[a] = 0 }
  /* A lease that was lost, and another while the agent still stands in acks/. */
  :: d_step { live[a] -> live[a] = false; grace[a] = GRACE;
       printf("agent %d: its lease is gone\n", a) }
  :: d_step { !live[a] && !joining[a] && standing[a] == ACKS ->
       live[a] = true; grace[a] = 0; rewritten[a] = missing[a] != NONE;
       printf("agent %d: has a lease again\n", a); check() }
  fi
}

inline controller(a) {
  if
  :: d_step { missing[a] == NONE && standing[a] == ACKS && !live[a] ->
       missing[a] = 0; rewritten[a] = false;
       printf("controller: misses agent %d\n", a) }
  :: d_step { missing[a] != NONE && (live[a] || rewritten[a]) -> missing[a] = NONE; rewritten[a] = false }
  :: d_step { missing[a] != NONE && (missing[a] >= GRACE || !GUARD_GRACE) && standing[a] == ACKS &&
       (!rewritten[a] || !GUARD_STALE_SEEN) ->
       standing[a] = STALE; missing[a] = NONE; rewritten[a] = false;
       printf("controller: agent %d is stale\n", a) }
  fi
}

active proctype world() {
  do
  :: d_step { revision < MAX_REVISION -> revision++; printf("the store is at %d\n", revision) }
  :: agent(0)
  :: agent(1)
  :: controller(0)
  :: controller(1)
  /* The gate; over no acknowledgement at all etcd's comparison is false. */
  :: d_step { !issues && revision >= THING &&
       ((passes(0) && passes(1) && (standing[0] == ACKS || standing[1] == ACKS)) || !GUARD_GATE) ->
       issues = true; printf("the sidecar passes its gate and issues\n");
       GOAL(1, standing[0] == STALE && live[1]); check() }
  :: d_step { true ->
       if :: grace[0] > 0 -> grace[0]-- :: else fi;
       if :: grace[1] > 0 -> grace[1]-- :: else fi;
       if :: missing[0] < GRACE -> missing[0]++ :: else fi;
       if :: missing[1] < GRACE -> missing[1]++ :: else fi;
       printf("a tick passes\n") }
  od
}
