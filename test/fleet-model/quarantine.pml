/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ID that goes from one server to the other and back: held, lost with its server's sign of
 * life, given back or taken away by an operator, at rest, free, given again. One agent stands for all: freeing asks each of
 * them the same, so that the slowest decides. It lags, loses its lease, restarts from its disk,
 * goes stale, is counted out and returns; its tables route all the while.
 *
 * A tick passes on all clocks alike; nobody sees the counter of another.
 * GUARD_... are 1, or 0 in a mutant; run.ts sets them.
 */
#include "common.h"

#define MAX_REVISION 5
#define HOLD 1
#define MAX_RETURNS 1
#define AGE 2                 /* the longest connection age; more than HOLD */
#define OFF 255               /* a clock that does not run */

/* Where an agent's acknowledgement stands: acks/, stale/, or nowhere since it was counted out. */
#define ACKS 0
#define STALE 1
#define OUT 2

/* The store. */
byte revision;
byte ownerAt[MAX_REVISION + 1] = NONE;   /* the owner of the ID in the state of a revision */
bool rests;
byte removedAt;
byte takenFrom = NONE;        /* an operator took the ID; uses/ of this server is older than that */
bool live;                    /* live/servers/ of the owner */
byte requestMod;              /* requests/ of the owner, rewritten when it comes back */
byte standing = ACKS;
byte acknowledged;

/* The sidecars: whether they issue under the ID, what their disks say, and how long ago they
   sent the last keepalive that was answered. */
bool issues[2];
bool saved[2];
byte silent[2];
bool stopping[2];

/* The youngest CID of each: the ticks for which a connection may still have it. */
byte cid[2];

/* The agent: the revisions in its kernel and on its disk, and what it must reach to route. */
byte kernel;
byte disk;
byte mustReach;
bool routes = true;

/* The controller's clocks, and what it had seen when they started. A takeover stops them. */
byte holdClock = OFF;
byte holdSeen;
byte restClock = OFF;
byte restSeen;

#define owner ownerAt[revision]
#define other(s) (1 - (s))
#define mayIssue(s) (issues[s] && (silent[s] < HOLD || !GUARD_FENCE))
#define misrouted(s) (cid[s] > 0 && routes && ownerAt[kernel] == other(s))

inline check() {
  INVARIANT(ONE_OWNER, !(cid[0] > 0 && cid[1] > 0) && !misrouted(0) && !misrouted(1))
}

inline change(newOwner) {
  revision++; ownerAt[revision] = newOwner; live = newOwner != NONE; requestMod = 0;
  holdClock = OFF; holdSeen = 0
}

/* Server 0 comes first; the servers are alike. */
inline give(s) {
  d_step { owner == NONE && !rests && revision < MAX_REVISION && (s == 0 || revision > 0) &&
    !issues[s] && !stopping[s] ->
    change(s); issues[s] = true; saved[s] = true; silent[s] = 0;
    printf("server %d is given the ID at revision %d\n", s, revision) }
}

inline keepAlive(s) {
  d_step { ((owner == s && live) || takenFrom == s) && silent[s] > 0 -> silent[s] = 0;
    printf("server %d: a keepalive is answered\n", s) }
}

/* A lease may die sooner than its time: all members were paused. */
inline loseLease() {
  d_step { owner != NONE && live -> live = false; printf("server %d: its lease is gone\n", owner) }
}

inline comeBack(s) {
  d_step { owner == s && !live && requestMod < MAX_RETURNS -> live = true; silent[s] = 0; requestMod++;
    printf("server %d comes back\n", s) }
}

inline comeBackBlindly(s) {
  d_step { !GUARD_RETURN_OWNS && owner != s && issues[s] && silent[s] > 0 -> silent[s] = 0;
    printf("server %d comes back, and does not look whose the ID is\n", s) }
}

/* By `cidctl ids release --id` or a document: the sidecar is not asked. */
inline takeAway(s) {
  d_step { owner == s && issues[s] && !rests && revision < MAX_REVISION ->
    change(NONE); rests = true; removedAt = revision; takenFrom = s;
    printf("operator takes the ID from server %d, revision %d\n", s, revision) }
}

/* Its disk says that it issues under it no more, and its mark is newer than the removal. */
inline marksAnew(s) {
  d_step { takenFrom == s && !issues[s] && !saved[s] -> takenFrom = NONE;
    printf("server %d puts its mark anew\n", s);
    GOAL(5, restClock == OFF && revision == 2) }
}

inline hearsOfLoss(s) {
  d_step { issues[s] && owner != s -> issues[s] = false; saved[s] = false; silent[s] = 0;
    printf("server %d hears that the ID is no longer its own\n", s) }
}

inline issue(s) {
  d_step { mayIssue(s) && cid[s] < AGE -> cid[s] = AGE; 
    printf("server %d issues a CID\n", s);
    /* Agents may drop the ID as soon as the store has; an operator who takes it accepts that. */
    INVARIANT(DECODABLE, owner == s || takenFrom == s);
    GOAL(1, s == 1 && standing == ACKS && routes && kernel == revision);
    GOAL(2, s == 1 && standing == STALE && acknowledged < revision);
    GOAL(3, s == 0 && revision == MAX_REVISION && ownerAt[3] == 1);
    check() }
}

/* Giving back: it stops, its disk says so, the store learns it. */
inline stop(s) {
  d_step { issues[s] && owner == s && live && revision < MAX_REVISION ->
    issues[s] = false; stopping[s] = true;
    if
    :: GUARD_STOP_SAVED -> saved[s] = false
    :: else
    fi;
    printf("server %d stops issuing\n", s) }
}

inline giveBack(s) {
  d_step { stopping[s] && owner == s && revision < MAX_REVISION ->
    change(NONE); rests = true; removedAt = revision; stopping[s] = false;
    printf("server %d gives the ID back at revision %d\n", s, revision) }
}

/* From its disk; the time since the last keepalive is there too. */
inline restart(s) {
  d_step { issues[s] != saved[s] || stopping[s] || (silent[s] > 0 && !GUARD_FENCE_SAVED) ->
    issues[s] = saved[s]; stopping[s] = false;
    if
    :: !GUARD_FENCE_SAVED -> silent[s] = 0
    :: else
    fi;
    printf("server %d restarts\n", s) }
}

inline seeSilence() {
  d_step { holdClock == OFF && owner != NONE && !live ->
    holdClock = 0; holdSeen = requestMod;
    printf("controller sees no sign of life of server %d\n", owner) }
}

inline reclaim() {
  d_step { holdClock == HOLD && owner != NONE && revision < MAX_REVISION && !live &&
    (holdSeen == requestMod || !GUARD_RETURN_SEEN) ->
    change(NONE); rests = true; removedAt = revision;
    printf("controller: the hold is over, the ID rests from revision %d\n", revision);
    GOAL(4, issues[0] && cid[0] > 0) }
}

inline forgetHold() {
  d_step { holdClock != OFF -> holdClock = OFF; holdSeen = 0 }
}

inline startRest() {
  d_step { restClock == OFF && rests && (takenFrom == NONE || !GUARD_AGE_FROM_STOP) -> restClock = 0; restSeen = removedAt;
    printf("controller starts the clock of the rest\n") }
}

inline forgetRest() {
  d_step { restClock != OFF -> restClock = OFF; restSeen = 0 }
}

/* A controller that another has taken over from may keep its clock. */
inline free(keepsClock) {
  d_step { rests && restClock != OFF && (restClock == AGE || !GUARD_AGE) &&
    (restSeen == removedAt || !GUARD_REST_SEEN) &&
    (takenFrom == NONE || !GUARD_OWNER_STOPPED) &&
    (standing != ACKS || acknowledged >= removedAt || !GUARD_REMOVAL_ACKED) &&
    (standing != STALE || acknowledged >= removedAt || !GUARD_STALE_ACKED) ->
    rests = false; takenFrom = NONE;
    if
    :: keepsClock
    :: else -> restClock = OFF; restSeen = 0
    fi;
    printf("controller frees the ID\n") }
}

/* What an agent may say: what is in its kernel, and on its disk too. */
#define ackable (GUARD_ACK_KERNEL -> (GUARD_ACK_DISK -> (disk < kernel -> disk : kernel) : kernel) : revision)

inline agent() {
  if
  :: d_step { kernel < revision -> kernel = revision; printf("agent: kernel at %d\n", kernel); check() }
  :: d_step { disk != kernel -> disk = kernel; printf("agent: disk at %d\n", disk) }
  :: d_step { kernel != disk -> kernel = disk;
       printf("agent: restarts from its disk, kernel at %d\n", kernel); check() }
  :: d_step { standing == ACKS && acknowledged < ackable -> acknowledged = ackable;
       printf("agent: acknowledges %d\n", acknowledged) }
  :: d_step { standing == ACKS -> standing = STALE; printf("agent: is stale\n") }
  :: d_step { standing != OUT -> standing = OUT; acknowledged = 0; routes = false;
       printf("agent: is counted out, gets no packets\n") }
  :: d_step { standing != ACKS -> standing = ACKS; acknowledged = ackable;
       if
       :: routes
       :: else -> mustReach = revision; routes = !GUARD_OUT_CAUGHT_UP
       fi;
       printf("agent: announces itself with %d\n", acknowledged); check() }
  :: d_step { standing == ACKS && !routes && (GUARD_OUT_SAVED -> acknowledged : kernel) >= mustReach -> routes = true; mustReach = 0;
       printf("agent: has caught up and takes packets\n"); check() }
  fi
}

inline tickOf(clock, runs, limit) {
  if
  :: runs && clock < limit -> clock++
  :: else
  fi
}

active proctype world() {
  do
  :: give(0)
  :: give(1)
  :: keepAlive(0)
  :: keepAlive(1)
  :: loseLease()
  :: comeBack(0)
  :: comeBack(1)
  :: comeBackBlindly(0)
  :: comeBackBlindly(1)
  :: takeAway(0)
  :: takeAway(1)
  :: marksAnew(0)
  :: marksAnew(1)
  :: hearsOfLoss(0)
  :: hearsOfLoss(1)
  :: issue(0)
  :: issue(1)
  :: stop(0)
  :: stop(1)
  :: giveBack(0)
  :: giveBack(1)
  :: restart(0)
  :: restart(1)
  :: seeSilence()
  :: reclaim()
  :: forgetHold()
  :: startRest()
  :: forgetRest()
  :: free(false)
  :: free(true)
  :: agent()
  :: d_step { true ->
       tickOf(silent[0], issues[0], HOLD); tickOf(silent[1], issues[1], HOLD);
       tickOf(holdClock, holdClock != OFF, HOLD); tickOf(restClock, restClock != OFF, AGE);
       if :: cid[0] > 0 -> cid[0]-- :: else fi;
       if :: cid[1] > 0 -> cid[1]-- :: else fi;
       printf("a tick passes\n") }
  od
}
