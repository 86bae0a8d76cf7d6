/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two config IDs of a pool and the keys that they mean, through rotations, roll backs and aborts:
 * free -> staged -> minting -> retiring -> quarantined -> free, with a new key at each staging.
 * One sidecar and one agent stand for all, because each step asks all of them the same. The
 * sidecar lags, is cut off, goes on issuing, restarts from its disk. The agent lags, joins and
 * leaves, goes stale with old tables that route.
 *
 * How an agent joins, and how its disk counts, is in gate.pml; here it joins in one step.
 * GUARD_... are 1, or 0 in a mutant; run.ts sets them.
 */
#include "common.h"

#ifndef MAX_REVISION
#define MAX_REVISION 5
#endif
#define MAX_KEYS 3
#define AGE 1
#define OFF 255

#define FREE 0
#define STAGED 1
#define MINTING 2
#define RETIRING 3
#define QUARANTINED 4

#define ACKS 0
#define STALE 1

/* The store: state, key and mod_revision of each config, and what balancers decode at a revision. */
byte revision;
byte state[2];
byte key[2];
byte configMod[2];
byte keys = 1;
byte decodes0[MAX_REVISION + 1];
byte decodes1[MAX_REVISION + 1];
byte standing = ACKS;
byte acknowledged;
byte mark[2];                 /* uses/: the key under which the sidecar may issue */

/* The sidecar: the key under which it issues, by its memory and by its disk. */
byte issues[2];
byte saved[2];
byte seenKey[2];              /* what it read before its gate */
byte seenMod[2];
bool deleting[2];             /* a deletion of its mark is on the way */
bool remarked[2];             /* ... and the mark was put anew meanwhile */

/* The CIDs that live: their key, the ticks that are left, and whether a connection is on them. */
byte cidKey[2];
byte cid[2];
bool connected[2];

byte kernel;                  /* the revision in the agent's tables */

/* The controller's clock of a quarantine. */
byte clock[2] = OFF;
byte clockSeen[2];

#define other(c) (1 - (c))
#define decoded(c, r) ((c) == 0 -> decodes0[r] : decodes1[r])
#define readable(c) (state[c] == STAGED || state[c] == MINTING || state[c] == RETIRING)
#define may (revision < MAX_REVISION)

inline change() {
  revision++;
  decodes0[revision] = (readable(0) -> key[0] : 0);
  decodes1[revision] = (readable(1) -> key[1] : 0)
}

/* A CID that may live is read as what it is, or not at all. */
#define misread(c) (cid[c] > 0 && decoded(c, kernel) != 0 && decoded(c, kernel) != cidKey[c])

inline check() {
  INVARIANT(ONE_MEANING, !misread(0) && !misread(1))
}

inline stage(c) {
  d_step { may && state[c] == FREE && state[other(c)] == MINTING && keys < MAX_KEYS ->
    INVARIANT(ONE_MEANING, cid[c] == 0);
    keys++; key[c] = keys; state[c] = STAGED; change(); configMod[c] = revision;
    printf("config %d is staged with key %d, revision %d\n", c, keys, revision); check() }
}

/* Minting, and back again: the same exchange. */
inline mint(c, from) {
  d_step { may && state[c] == from && state[other(c)] == MINTING ->
    state[c] = MINTING; state[other(c)] = RETIRING; change();
    configMod[c] = revision; configMod[other(c)] = revision;
    printf("config %d mints, config %d retires, revision %d\n", c, other(c), revision) }
}

inline quarantine(c, from) {
  d_step { may && state[c] == from && state[other(c)] != FREE && (mark[c] == 0 || !GUARD_USES) ->
    state[c] = QUARANTINED; change(); configMod[c] = revision;
    printf("config %d is quarantined, revision %d\n", c, revision);
    INVARIANT(KEPT, !connected[c]) }
}

inline abortAtOnce(c) {
  d_step { !GUARD_ABORT_RESTS && may && state[c] == STAGED && mark[c] == 0 ->
    state[c] = FREE; key[c] = 0; change(); configMod[c] = revision;
    printf("config %d is removed, revision %d\n", c, revision) }
}

/* Out of quarantine again, as long as the key is there. */
inline restore(c) {
  d_step { may && state[c] == QUARANTINED && state[other(c)] == MINTING ->
    state[c] = STAGED; change(); configMod[c] = revision;
    printf("config %d is staged again, revision %d\n", c, revision) }
}

inline startClock(c) {
  d_step { state[c] == QUARANTINED && clock[c] == OFF -> clock[c] = 0; clockSeen[c] = configMod[c];
    printf("controller: the quarantine of config %d begins\n", c) }
}

inline forgetClock(c) {
  d_step { clock[c] != OFF -> clock[c] = OFF; clockSeen[c] = 0 }
}

inline free(c) {
  d_step { state[c] == QUARANTINED && clock[c] != OFF && (clock[c] == AGE || !GUARD_AGE) &&
    (clockSeen[c] == configMod[c] || !GUARD_QUARANTINE_SEEN) &&
    (standing != ACKS || acknowledged >= configMod[c] || !GUARD_REMOVAL_ACKED) &&
    (standing != STALE || acknowledged >= configMod[c] || !GUARD_STALE_ACKED) ->
    state[c] = FREE; key[c] = 0; clock[c] = OFF; clockSeen[c] = 0;
    printf("config %d is free, its key is destroyed\n", c);
    GOAL(3, standing == STALE && c == 0) }
}

inline look(c) {
  d_step { (state[c] == STAGED || state[c] == MINTING) && seenMod[c] != configMod[c] &&
    issues[c] == 0 ->
    seenKey[c] = key[c]; seenMod[c] = configMod[c];
    printf("sidecar sees config %d with key %d\n", c, key[c]) }
}

inline gate(c) {
  d_step { seenKey[c] != 0 && issues[c] == 0 &&
    ((standing == ACKS && acknowledged >= seenMod[c]) || standing == STALE || !GUARD_GATE) &&
    (configMod[c] == seenMod[c] || !GUARD_CONFIG_SEEN) ->
    mark[c] = seenKey[c]; remarked[c] = deleting[c]; issues[c] = seenKey[c]; saved[c] = seenKey[c];
    seenKey[c] = 0; seenMod[c] = 0;
    printf("sidecar passes its gate under config %d, key %d\n", c, issues[c]) }
}

inline issue(c) {
  d_step { issues[c] != 0 && (cid[c] < AGE || cidKey[c] != issues[c] || !connected[c]) ->
    INVARIANT(ONE_MEANING, cid[c] == 0 || cidKey[c] == issues[c]);
    cid[c] = AGE; cidKey[c] = issues[c]; connected[c] = true;
    printf("sidecar issues under config %d, key %d\n", c, issues[c]);
    INVARIANT(DECODABLE, standing != ACKS || decoded(c, kernel) == issues[c]);
    GOAL(1, c == 0 && issues[0] > 1 && standing == ACKS && state[1] == MINTING);
    GOAL(2, c == 0 && state[1] == RETIRING && connected[1]);
    check() }
}

/* It stops, its disk says so, its connections have other CIDs, and the mark goes. */
inline stop(c) {
  d_step { issues[c] != 0 && state[c] != MINTING -> issues[c] = 0;
    if
    :: GUARD_STOP_SAVED -> saved[c] = 0
    :: else
    fi;
    printf("sidecar stops issuing under config %d\n", c) }
}

inline reissued(c) {
  d_step { connected[c] && issues[c] == 0 -> connected[c] = false;
    printf("connections have left config %d\n", c) }
}

inline unmark(c) {
  d_step { mark[c] != 0 && issues[c] == 0 && (saved[c] == 0 || !GUARD_STOP_SAVED) && !deleting[c] &&
    (!connected[c] || !GUARD_OLDER_GONE) ->
    deleting[c] = true; remarked[c] = false;
    printf("sidecar sends the deletion of its mark on config %d\n", c) }
}

/* At once, or long after its caller has given up waiting. */
inline unmarked(c) {
  d_step { deleting[c] ->
    if
    :: !remarked[c] || !GUARD_MARK_SEEN -> mark[c] = 0;
       printf("the mark on config %d is deleted\n", c)
    :: else
    fi;
    deleting[c] = false; remarked[c] = false }
}

active proctype world() {
  d_step {
    state[0] = MINTING; key[0] = 1; decodes0[0] = 1; mark[0] = 1; issues[0] = 1; saved[0] = 1
  }
  do
  :: stage(0)
  :: stage(1)
  :: mint(0, STAGED)
  :: mint(1, STAGED)
  :: mint(0, RETIRING)
  :: mint(1, RETIRING)
  :: quarantine(0, RETIRING)
  :: quarantine(1, RETIRING)
  :: quarantine(0, STAGED)
  :: quarantine(1, STAGED)
  :: abortAtOnce(0)
  :: abortAtOnce(1)
  :: restore(0)
  :: restore(1)
  :: startClock(0)
  :: startClock(1)
  :: forgetClock(0)
  :: forgetClock(1)
  :: free(0)
  :: free(1)
  :: look(0)
  :: look(1)
  :: gate(0)
  :: gate(1)
  :: issue(0)
  :: issue(1)
  :: stop(0)
  :: stop(1)
  :: reissued(0)
  :: reissued(1)
  :: unmark(0)
  :: unmark(1)
  :: unmarked(0)
  :: unmarked(1)
  :: d_step { (issues[0] != saved[0] || issues[1] != saved[1]) ->
       issues[0] = saved[0]; issues[1] = saved[1]; printf("sidecar restarts from its disk\n") }
  :: d_step { kernel < revision -> kernel = revision; printf("agent: kernel at %d\n", kernel); check() }
  :: d_step { standing == ACKS && acknowledged < kernel -> acknowledged = kernel;
       printf("agent: acknowledges %d\n", kernel) }
  :: d_step { standing == ACKS -> standing = STALE; printf("agent: is stale\n") }
  :: d_step { standing == STALE && kernel == revision -> standing = ACKS; acknowledged = kernel;
       printf("agent: has joined at %d\n", kernel) }
  :: d_step { cid[0] > 0 || cid[1] > 0 || clock[0] < AGE || clock[1] < AGE ->
       if :: cid[0] > 0 && !connected[0] -> cid[0]-- :: else fi;
       if :: cid[1] > 0 && !connected[1] -> cid[1]-- :: else fi;
       if :: clock[0] < AGE -> clock[0]++ :: else fi;
       if :: clock[1] < AGE -> clock[1]++ :: else fi;
       printf("a tick passes\n") }
  od
}
