/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets which ID: controllers that hold the pool's lease or believe that they do, hosts that
 * help themselves by the chain while there is none, replies that are lost, a document whose runs
 * of IDs come beside, and two hosts that were given one server name.
 *
 * Whoever allocates looks at the store, decides, and commits later, when all may have changed.
 * GUARD_... are 1, or 0 in a mutant; run.ts sets them.
 */
#include "common.h"

#define IDS 3
#define NAMES 2
#define HOSTS 3
#define ALLOCATORS 3          /* two controllers, and the chain of host 0 */
#define DOCUMENT 2            /* the owner of the run that a document names */
#define nameOf(h) ((h) % 2)   /* hosts 0 and 2 were given one name */
#define MAX_RELEASES 2
#define MAX_TERMS 2

/* The store. */
byte owner[IDS] = NONE;       /* ids/<pool>/<config>/<hex>, by the ID with which the key begins */
bool pair;                    /* the key of ID 1 counts two: it covers ID 2 as well */
bool rest[IDS];               /* rest/ */
byte last = IDS - 1;          /* allocation.last of the pool */
byte poolMod;                 /* the mod_revision of the pool's key */
byte configMod;               /* ... and of the config's, which says how long IDs are */
byte identity[NAMES];         /* requests/<pool>/<server>: 1 + the host that it is */
byte granted[NAMES] = NONE;   /* ... and the ID that it was granted */
byte requestMod[NAMES];
byte holder = NONE;           /* controllers/<pool> */
byte terms;

/* What hosts and allocators remember. */
byte uses[HOSTS] = NONE;      /* the ID under which a host issues */
byte myTerm[2];
byte wantName[ALLOCATORS] = NONE;
byte wantId[ALLOCATORS];
byte seenRequest[ALLOCATORS];
byte seenPool[ALLOCATORS];
byte seenConfig[ALLOCATORS];
byte releases;
bool shrunk;

#define covered(n) (owner[n] != NONE || (n == 2 && pair))
#define free(n) (n <= last && !covered(n) && !rest[n])
#define ownedBy(s) ((owner[0] == s) + (owner[1] == s) + (owner[2] == s))

inline check() {
  INVARIANT(ONE_OWNER,
    !(uses[0] != NONE && (uses[0] == uses[1] || uses[0] == uses[2])) &&
    !(uses[1] != NONE && uses[1] == uses[2]) &&
    !(pair && (owner[2] != NONE || uses[0] == 2 || uses[1] == 2 || uses[2] == 2)));
  INVARIANT(ONE_OWNER,
    !(rest[0] && owner[0] != NONE) && !(rest[1] && owner[1] != NONE) &&
    !(rest[2] && covered(2)));
  INVARIANT(AS_ASKED, ownedBy(0) <= 1 && ownedBy(1) <= 1)
}

inline decide(w, may, s, n) {
  d_step { may && wantName[w] == NONE && identity[s] != 0 && free(n) &&
    (granted[s] == NONE || !GUARD_GRANT) ->
    wantName[w] = s; wantId[w] = n; seenRequest[w] = requestMod[s]; seenPool[w] = poolMod;
    seenConfig[w] = configMod;
    printf("allocator %d decides: ID %d for server %d\n", w, n, s) }
}

/* Whether the reply arrives makes no difference: all learn from the store what they have. */
inline commit(w) {
  d_step { wantName[w] != NONE ->
    if
    :: (owner[wantId[w]] == NONE || !GUARD_ABSENT) &&
       (!rest[wantId[w]] || !GUARD_AT_REST) &&
       (requestMod[wantName[w]] == seenRequest[w] || !GUARD_GRANT) &&
       (poolMod == seenPool[w] || !GUARD_POOL_SEEN) &&
       (configMod == seenConfig[w] || !GUARD_CONFIG_SEEN) &&
       (w >= 2 || !GUARD_CONTROLLER || (holder == w && terms == myTerm[w])) ->
       owner[wantId[w]] = wantName[w];
       granted[wantName[w]] = wantId[w];
       requestMod[wantName[w]]++;
       printf("allocator %d commits: ID %d for server %d\n", w, wantId[w], wantName[w]);
       INVARIANT(FITS, seenConfig[w] == configMod)
    :: else
    fi;
    wantName[w] = NONE; wantId[w] = 0; seenRequest[w] = 0; seenPool[w] = 0; seenConfig[w] = 0;
    check() }
}

inline takeOver(c) {
  d_step { holder == NONE && terms < MAX_TERMS -> terms++; holder = c; myTerm[c] = terms;
    printf("agent %d takes the controller's lease\n", c) }
}

inline register(h) {
  d_step { identity[nameOf(h)] == 0 -> identity[nameOf(h)] = h + 1;
    printf("host %d registers as server %d\n", h, nameOf(h)) }
}

inline learn(h) {
  d_step { uses[h] == NONE && granted[nameOf(h)] != NONE &&
    (identity[nameOf(h)] == h + 1 || !GUARD_IDENTITY) ->
    uses[h] = granted[nameOf(h)];
    printf("host %d reads that it has ID %d\n", h, uses[h]);
    GOAL(1, h == 1 && uses[1] == 0 && releases > 0 && myTerm[1] != 0);
    check() }
}

inline forget(h) {
  d_step { uses[h] != NONE -> uses[h] = NONE; printf("host %d restarts\n", h) }
}

inline release(h) {
  d_step { uses[h] != NONE && releases < MAX_RELEASES && owner[uses[h]] == nameOf(h) &&
    granted[nameOf(h)] == uses[h] ->
    releases++; owner[uses[h]] = NONE; rest[uses[h]] = true;
    granted[nameOf(h)] = NONE; requestMod[nameOf(h)]++; uses[h] = NONE;
    printf("host %d gives its ID back\n", h);
    check() }
}

inline rested(n) {
  d_step { rest[n] -> rest[n] = false; printf("ID %d has rested\n", n) }
}

active proctype world() {
  do
  :: register(0)
  :: register(1)
  :: register(2)
  :: takeOver(0)
  :: takeOver(1)
  :: d_step { holder != NONE -> holder = NONE; printf("the controller's lease expires\n") }
  /* A controller gives out the lowest free ID, the chain whichever it comes to. */
  :: decide(0, myTerm[0] != 0, 0, 0)
  :: decide(0, myTerm[0] != 0, 1, 0)
  :: decide(0, myTerm[0] != 0 && !free(0), 0, 1)
  :: decide(0, myTerm[0] != 0 && !free(0), 1, 1)
  :: decide(1, myTerm[1] != 0, 0, 0)
  :: decide(1, myTerm[1] != 0, 1, 0)
  :: decide(1, myTerm[1] != 0 && !free(0), 0, 1)
  :: decide(1, myTerm[1] != 0 && !free(0), 1, 1)
  :: decide(2, true, 0, 0)
  :: decide(2, true, 0, 1)
  :: decide(2, true, 0, 2)
  :: commit(0)
  :: commit(1)
  :: commit(2)
  :: learn(0)
  :: learn(1)
  :: learn(2)
  :: forget(0)
  :: forget(1)
  :: forget(2)
  :: release(0)
  :: release(1)
  :: rested(0)
  :: rested(1)
  :: rested(2)
  /* The config is removed, and its config ID is that of one whose IDs are longer. */
  :: d_step { configMod == 0 && ownedBy(0) == 0 && ownedBy(1) == 0 && !pair -> configMod++;
       printf("the config has IDs of another length\n") }
  /* An operator takes IDs 1 and 2 out of the range of allocation and gives them to a document. */
  :: d_step { !shrunk -> shrunk = true; last = 0; poolMod++;
       printf("the range of allocation ends at ID 0\n") }
  :: d_step { shrunk && !pair && owner[1] == NONE && !rest[1] &&
       ((owner[2] == NONE && !rest[2]) || !GUARD_RUN_RANGE) ->
       pair = true; owner[1] = DOCUMENT;
       printf("the document's run of IDs 1 and 2 is created\n");
       check() }
  od
}
