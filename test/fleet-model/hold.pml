/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool's hold that an operator sets, raises, lowers and takes away, while the sidecar of one
 * server has its IDs. The sidecar goes by the pool's hold as it knows it and by what its request
 * says or may say, the shortest of them; whoever reclaims goes by the longer. The sidecar is cut
 * off, hears late, restarts from its disk, and a request that nobody waits for any more may be
 * written late, if no other was written since.
 *
 * A tick passes on all clocks alike. What comes after a reclaim is in quarantine.pml.
 * GUARD_... are 1, or 0 in a mutant; run.ts sets them.
 */
#include "common.h"

#define LONGEST 3             /* holds are 1 to 3 ticks; 0 is none */
#define OFF 255               /* a clock that does not run, a hold that was not sent */

/* The store. */
byte poolHold;
byte request;                 /* the hold that requests/ says */
bool owned = true;
bool live = true;

/* The sidecar: the pool's hold and its request as it knows them, what its request may say beside
   that, the hold on its disk, and how long ago it sent the last keepalive that was answered. */
byte knows;
byte said;
byte pending;
byte disk;
byte silent;
bool issues = true;

/* A request on the way, one that was given up, and what was sent last. */
byte flying = OFF;
byte late = OFF;
byte sent = OFF;

byte holdClock = OFF;         /* the controller's */

#define shorter(a, b) ((a) == 0 -> (b) : ((b) == 0 -> (a) : ((a) < (b) -> (a) : (b))))
#define longer(a, b) ((a) > (b) -> (a) : (b))
#define fence shorter(knows, shorter(said, (GUARD_HOLD_PENDING -> pending : 0)))
#define mayIssue (issues && (fence == 0 || silent < fence || !GUARD_FENCE))

/* Without a hold of its own a request is never reclaimed. */
#define reclaims (poolHold != 0 && (GUARD_HOLD_KNOWN -> \
  (request != 0 && holdClock >= longer(poolHold, request)) : holdClock >= poolHold))

inline sets(hold) {
  d_step { poolHold != hold -> poolHold = hold; printf("operator: the hold of the pool is %d\n", hold) }
}

active proctype world() {
  do
  :: sets(0)
  :: sets(1)
  :: sets(2)
  :: sets(3)
  :: d_step { owned && live && silent > 0 -> silent = 0; printf("a keepalive is answered\n") }
  /* The state that has the hold has a removal too. */
  :: d_step { knows != poolHold || (issues && !owned) -> knows = poolHold; issues = owned;
       printf("sidecar hears of the state, the hold is %d\n", knows) }
  /* It has read that the request says something else. */
  :: d_step { owned && flying == OFF && request != knows ->
       flying = knows; sent = knows; pending = shorter(pending, knows);
       if
       :: GUARD_FENCE_SAVED -> disk = shorter(said, pending)
       :: else
       fi;
       printf("sidecar sends a request with the hold %d\n", flying) }
  :: d_step { flying != OFF && owned && request != flying ->
       request = flying; late = OFF; holdClock = OFF; printf("the request says %d\n", request) }
  :: d_step { flying != OFF ->
       if
       :: request != flying -> late = flying
       :: else
       fi;
       flying = OFF; printf("sidecar waits for the request no more\n") }
  :: d_step { late != OFF && owned ->
       request = late; late = OFF; flying = OFF; holdClock = OFF;
       printf("the request says %d, late\n", request) }
  :: d_step { flying == OFF && (said != request || pending != 0) -> said = request;
       if
       :: sent == request -> pending = 0; sent = OFF
       :: else
       fi;
       disk = shorter(said, pending);
       printf("sidecar reads its request: %d\n", said) }
  :: d_step { said != disk || knows != disk || pending != 0 ->
       said = disk; knows = disk; pending = 0; sent = OFF; flying = OFF; late = OFF;
       printf("sidecar restarts from its disk: %d\n", disk) }
  :: d_step { owned && live -> live = false; printf("the lease is gone\n") }
  :: d_step { owned && !live -> live = true; silent = 0; holdClock = OFF;
       printf("sidecar comes back\n") }
  :: d_step { owned && !live && holdClock == OFF -> holdClock = 0;
       printf("controller sees no sign of life\n") }
  :: d_step { holdClock != OFF -> holdClock = OFF; printf("another controller begins anew\n") }
  :: d_step { owned && !live && holdClock != OFF && reclaims -> owned = false; holdClock = OFF;
       printf("controller: the hold is over\n");
       GOAL(1, issues && said > poolHold);
       GOAL(2, issues && said < poolHold) }
  :: d_step { mayIssue -> printf("sidecar issues\n");
       INVARIANT(DECODABLE, owned);
       GOAL(3, said == 2 && knows == 2 && silent == 1 && !live) }
  :: d_step { silent < LONGEST || holdClock < LONGEST ->
       if :: silent < LONGEST -> silent++ :: else fi;
       if :: holdClock < LONGEST -> holdClock++ :: else fi;
       printf("a tick passes\n") }
  od
}
