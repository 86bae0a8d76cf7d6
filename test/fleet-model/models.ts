// SPDX-License-Identifier: Apache-2.0

/** By the number that a model gives them in common.h. */
export const INVARIANTS = {
  1: 'an ID has one owner, as far as any agent routes',
  2: 'no CID is issued that a live agent cannot decode',
  3: 'a config ID gets no new meaning while a CID of the former may live',
  4: 'a server has no more IDs than it asked for',
  5: 'a config that connections are on is not quarantined',
  6: 'an ID that is handed out is one that its config can carry',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export interface Guard {
  /** What the code does, in the words of docs/etcd-safety.md. */
  readonly means: string;
  /** What a mutant without it violates first; `none` for a guard that no invariant needs. */
  readonly violates: Invariant | 'none';
}

export interface Model {
  /** The file is `<name>.pml`. */
  readonly name: string;
  /** Constants of the model that bound the search. */
  readonly bounds: Readonly<Record<string, number>>;
  /** By what follows `GUARD_` in the model. */
  readonly guards: Readonly<Record<string, Guard>>;
  /** What some run must reach, by number from 1: a model that cannot move keeps every invariant. */
  readonly goals: readonly string[];
}

const ACK_KERNEL = 'an acknowledgement is of what the kernel holds';
const ACK_DISK = 'an acknowledgement is of what the disk holds too';

export const MODELS: readonly Model[] = [
  {
    name: 'allocation',
    bounds: {},
    goals: [
      'an ID that was given back has gone to another server, in the term of a second controller',
    ],
    guards: {
      ABSENT: { means: 'the key of the ID is absent', violates: 1 },
      AT_REST: { means: 'the ID is not at rest', violates: 1 },
      GRANT: { means: 'the request is as it was seen, and is granted beside', violates: 4 },
      POOL_SEEN: { means: 'the range of allocation is as it was seen', violates: 1 },
      RUN_RANGE: { means: 'a run of a document overlaps no key', violates: 1 },
      IDENTITY: { means: 'a server name belongs to one state folder', violates: 1 },
      CONFIG_SEEN: { means: 'the config is as it was seen', violates: 6 },
      CONTROLLER: { means: 'the lease of the controller is still held', violates: 'none' },
    },
  },
  {
    name: 'gate',
    bounds: {},
    goals: [
      'a sidecar issues while one agent is stale and another live',
      'an agent has joined while a sidecar issues, and both agents are live',
    ],
    guards: {
      GATE: { means: 'a sidecar waits for all acknowledgements', violates: 2 },
      ACK_KERNEL: { means: ACK_KERNEL, violates: 2 },
      ACK_DISK: { means: ACK_DISK, violates: 2 },
      CAUGHT_UP: { means: 'an agent is live when it has caught up', violates: 2 },
      ANNOUNCED: { means: 'an agent is live only while it stands in acks/', violates: 2 },
      GRACE: { means: 'an agent is stale after a grace only', violates: 2 },
      STALE_SEEN: { means: 'a stale agent has not been back since the grace began', violates: 2 },
    },
  },
  {
    name: 'quarantine',
    bounds: { MAX_REVISION: 5 },
    goals: [
      'the second owner issues, and the agent leads to it',
      'the second owner issues while an agent is stale that acknowledged the removal',
      'the ID has come back to its first owner',
      'an ID is reclaimed from a sidecar that is cut off, and its CIDs live',
      'a sidecar that an ID was taken from puts its mark anew',
    ],
    guards: {
      FENCE: { means: 'a sidecar that is cut off stops before its hold is over', violates: 2 },
      FENCE_SAVED: { means: 'how long it was cut off outlasts a restart', violates: 2 },
      RETURN_OWNS: { means: 'a sidecar that returns looks whether the ID is its own', violates: 2 },
      RETURN_SEEN: { means: 'the server has not been back since the hold began', violates: 2 },
      STOP_SAVED: { means: 'that it stopped is on disk before the ID is given back', violates: 2 },
      AGE: { means: 'an ID rests for the longest connection age', violates: 1 },
      // Implied by AGE_FROM_STOP, as long as nobody takes back that an owner stopped.
      OWNER_STOPPED: { means: 'the former owner has said that it stopped', violates: 'none' },
      AGE_FROM_STOP: { means: 'the rest begins when the former owner has stopped', violates: 1 },
      REST_SEEN: { means: 'a clock of a rest counts for that rest', violates: 1 },
      REMOVAL_ACKED: { means: 'agents have acknowledged the removal', violates: 1 },
      STALE_ACKED: { means: 'stale agents have, too', violates: 1 },
      ACK_KERNEL: { means: ACK_KERNEL, violates: 1 },
      ACK_DISK: { means: ACK_DISK, violates: 1 },
      OUT_CAUGHT_UP: { means: 'an agent that was counted out catches up first', violates: 1 },
      OUT_SAVED: { means: '... on its disk too', violates: 1 },
    },
  },
  {
    name: 'hold',
    bounds: {},
    goals: [
      'an ID is reclaimed by the hold that a request says, the longer one',
      'an ID is reclaimed by the hold of its pool, the longer one',
      'a sidecar that is cut off issues within its hold',
    ],
    guards: {
      FENCE: { means: 'a sidecar that is cut off stops before its hold is over', violates: 2 },
      HOLD_KNOWN: { means: 'reclaiming goes by the longer hold', violates: 2 },
      HOLD_PENDING: { means: 'a hold that a request may say counts already', violates: 2 },
      FENCE_SAVED: { means: 'the shorter hold is on disk before a request says it', violates: 2 },
    },
  },
  {
    name: 'rotation',
    bounds: { MAX_REVISION: 5 },
    goals: [
      'a config ID is issued with its second key',
      'a roll back: the old config is issued again, and connections are on the new one',
      'a config ID is free while an agent is stale that acknowledged its quarantine',
    ],
    guards: {
      GATE: { means: 'a sidecar waits for all acknowledgements', violates: 2 },
      CONFIG_SEEN: { means: 'the config is as the sidecar saw it', violates: 2 },
      USES: { means: 'no sidecar has a mark on a config that is quarantined', violates: 5 },
      OLDER_GONE: { means: 'a mark stays while connections are on the config', violates: 5 },
      STOP_SAVED: { means: 'that it stopped is on disk before the mark goes', violates: 5 },
      MARK_SEEN: { means: 'a deletion is of the mark that was seen', violates: 5 },
      ABORT_RESTS: { means: 'an abort leads through quarantine', violates: 3 },
      AGE: { means: 'a config ID rests for the longest connection age', violates: 3 },
      QUARANTINE_SEEN: { means: 'a clock of a quarantine counts for that one', violates: 3 },
      REMOVAL_ACKED: { means: 'agents have acknowledged the quarantine', violates: 3 },
      STALE_ACKED: { means: 'stale agents have, too', violates: 3 },
    },
  },
];
