// SPDX-License-Identifier: Apache-2.0
import {
  absent,
  type Condition,
  get,
  leaseIs,
  type Operation,
  present,
  put,
  rangeEmpty,
  remove,
  type Transaction,
  unchanged,
  valueOver,
} from '../client/index.js';
import {
  type AgentNameValue,
  acknowledgement,
  type Keys,
  type LiveAgentValue,
  valueText,
} from '../layout/index.js';
import type { FleetView } from './fleet-view.js';

// What an acknowledgement of revision R by an agent says: its kernel holds the desired state of R,
// and so does its last good state on disk, from which it starts when etcd is away. It hangs on no
// lease: an agent that is cut off goes on routing by what it acknowledged last.
//
// Words in capitals, here and where agents and sidecars do these steps, are the names of the
// guards of the model of the fleet, which shows what goes wrong without each of them.
//
// An agent is in one of four conditions:
// - it acknowledges (`acks/`): gates of issuing wait for it, and so does freeing;
// - it is away (`stale/`): only freeing waits for it. A controller moves it there when it was not
//   alive for a grace;
// - it was counted out (`counted-out/`): nobody waits for it, and it must get no packets;
// - it left for good: it has none of these keys.

/** An agent that is waited for. */
export interface Waiting {
  readonly agent: string;
  /** The revision that it holds. */
  readonly acknowledged: number;
  /** `lagging`: it is awake. `silent`: it has no sign of life. `away`: for longer than the grace. */
  readonly condition: 'lagging' | 'silent' | 'away';
}

/**
 * The revision up to which all agents hold everything; undefined where no agent acknowledges, and
 * then nothing is held.
 */
export function heldByAll({ acks }: Pick<FleetView, 'acks'>): number | undefined {
  let lowest: number | undefined;
  for (const { value } of acks.in('').values()) lowest = Math.min(lowest ?? value, value);
  return lowest;
}

/** Whom a gate waits for that is to let through what was written at `revision`; by name. */
export function waitingToHold(
  view: Pick<FleetView, 'acks' | 'liveAgents'>,
  revision: number,
): Waiting[] {
  const waiting: Waiting[] = [];
  for (const [agent, { value }] of view.acks.in('')) {
    if (value >= revision) continue;
    const condition = view.liveAgents.get(agent) === undefined ? 'silent' : 'lagging';
    waiting.push({ agent, acknowledged: value, condition });
  }
  return waiting.sort(byName);
}

/**
 * GATE: that all agents hold what was written at `revision`. False while no agent acknowledges
 * anything.
 */
export function allHold(keys: Keys, revision: number): Condition[] {
  return [valueOver(keys.acks, acknowledgement(revision - 1))];
}

/** Whom freeing waits for, of what was removed at `revision`; by name. */
export function waitingToForget(view: FleetView, revision: number): Waiting[] {
  const away = [...view.stale.in('')].flatMap(([agent, { value }]): Waiting[] =>
    value >= revision ? [] : [{ agent, acknowledged: value, condition: 'away' }],
  );
  return [...waitingToHold(view, revision), ...away].sort(byName);
}

/**
 * REMOVAL_ACKED, STALE_ACKED: that no agent, awake or away, can still route by what was removed at `revision`. An agent that
 * died with its program attached routes on, so that one holds it up until it is back or was
 * counted out.
 */
export function allForgot(keys: Keys, view: FleetView, revision: number): Condition[] {
  const before = acknowledgement(revision - 1);
  // A comparison of values is false where there are none.
  const away = view.stale.size === 0 ? rangeEmpty(keys.allStale) : valueOver(keys.allStale, before);
  return [valueOver(keys.acks, before), away];
}

/** Of the keys that say whose the name of an agent is: the revisions of their last changes. */
export interface SeenName {
  /** Of `agents/<agent>`; 0 where it is absent. */
  readonly name: number;
  /** Of `live/agents/<agent>`; 0 where it is absent. */
  readonly live: number;
}

export interface Announcement {
  readonly agent: string;
  readonly owner: AgentNameValue;
  /** The revision that it holds at present, 0 for nothing. */
  readonly holds: number;
  readonly seen: SeenName;
}

/**
 * ACK_OWNER: whether an acknowledgement under this name is that of another agent. It may be away,
 * and route by its tables all the while.
 */
export function isNameOfAnother(owner: AgentNameValue, own: AgentNameValue): boolean {
  const same = (field: 'identity' | 'machine' | 'boot') =>
    owner[field] !== undefined && owner[field] === own[field];
  return !(same('identity') || same('machine') || same('boot'));
}

/**
 * First step of joining. From now on gates wait for this agent, so that nothing is issued that it
 * cannot decode; it counts as live only when it has caught up with the revision that this reads.
 *
 * It fails where another agent of this name appeared (ACK_OWNER).
 */
export function announce(keys: Keys, of: Announcement): Transaction {
  const { agent, owner, holds, seen } = of;
  return {
    when: nameSeen(keys, agent, seen),
    success: [
      put(keys.agentName(agent), valueText(owner)),
      put(keys.ack(agent), acknowledgement(holds)),
      remove(keys.stale(agent)),
      remove(keys.countedOut(agent)),
      get(keys.revision),
    ],
  };
}

export interface ComeAlive {
  readonly agent: string;
  readonly lease: string;
  readonly value: LiveAgentValue;
  /** The revision that it holds; not below the one that {@link announce} read. */
  readonly holds: number;
  readonly seen: SeenName;
}

/**
 * Second step of joining (CAUGHT_UP, ANNOUNCED). It fails where the agent was put among those that are away, or was
 * counted out, since the first, and where another agent of this name appeared.
 */
export function comeAlive(keys: Keys, of: ComeAlive): Transaction {
  const live = keys.liveAgent(of.agent);
  return {
    when: [present(keys.ack(of.agent)), ...nameSeen(keys, of.agent, of.seen)],
    success: [
      put(keys.ack(of.agent), acknowledgement(of.holds)),
      put(live, valueText(of.value), of.lease),
    ],
    failure: [get(keys.ack(of.agent)), get(live)],
  };
}

function nameSeen(keys: Keys, agent: string, { name, live }: SeenName): Condition[] {
  return [unchanged(keys.agentName(agent), name), unchanged(keys.liveAgent(agent), live)];
}

/**
 * An agent that is live holds another revision. It fails where it has to join again.
 *
 * @param lease on which its sign of life hangs
 */
export function acknowledge(keys: Keys, agent: string, holds: number, lease: string): Transaction {
  return {
    when: [present(keys.ack(agent)), leaseIs(keys.liveAgent(agent), lease)],
    success: [put(keys.ack(agent), acknowledgement(holds))],
  };
}

/**
 * Puts an agent that gave no sign of life for the grace among those that are away (GRACE,
 * STALE_SEEN). The acknowledgement must be the one that was there when the grace began: whoever
 * comes alive writes it anew.
 */
export function putAway(keys: Keys, view: FleetView, agent: string): Transaction | undefined {
  const ack = view.acks.get(agent);
  if (ack === undefined || view.liveAgents.get(agent) !== undefined) return undefined;
  return {
    when: [absent(keys.liveAgent(agent)), unchanged(ack.key, ack.modRevision)],
    success: [remove(ack.key), put(keys.stale(agent), acknowledgement(ack.value))],
  };
}

/**
 * An operator's word that an agent gets no packets until it has joined again: nobody waits for it
 * any more, and another one may have its name.
 *
 * @param by who says so, and why, for people
 */
export function countOut(
  keys: Keys,
  agent: string,
  by: { readonly by: string; readonly why: string },
): Transaction {
  const all = [keys.agentName(agent), keys.ack(agent), keys.stale(agent), keys.liveAgent(agent)];
  const gone = all.map((key) => remove(key));
  return { when: [], success: [...gone, put(keys.countedOut(agent), valueText(by))] };
}

/** An agent is taken off its interface for good: it decodes and routes nothing any more. */
export function leave(keys: Keys, agent: string): Operation[] {
  return keys.ofAgent(agent).map((key) => remove(key));
}

function byName(a: Waiting, b: Waiting): number {
  return a.agent < b.agent ? -1 : 1;
}
