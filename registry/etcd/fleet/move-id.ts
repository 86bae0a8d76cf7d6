// SPDX-License-Identifier: Apache-2.0
import {
  absent,
  type Condition,
  type Operation,
  put,
  rangeUnchanged,
  remove,
  unchanged,
} from '../client/index.js';
import { idAfter, type Keys, lastOfRun, type RestValue, valueText } from '../layout/index.js';
import { type IdValue, idValueText } from '../layout/values/desired.js';
import { waitingToForget } from './acknowledgements.js';
import type { FleetView } from './fleet-view.js';
import { describeWaiting } from './gate.js';
import { removedAt } from './rest.js';

// Moving an ID from one server to another. While a CID of it may live at the former owner it
// stays there, or at rest: it is first put to rest, then freed as every other ID is, and kept
// for its next owner meanwhile.

/** A run of IDs as it was read. */
export interface SeenRun {
  readonly key: string;
  readonly hex: string;
  readonly modRevision: number;
  readonly value: IdValue;
}

export interface MoveSituation {
  readonly pool: string;
  readonly config: number;
  /** The ID. */
  readonly hex: string;
  /** The server that is to have it. */
  readonly to: string;
  /** Seconds that the longest connection lasts; undefined where the pool does not say it. */
  readonly connectionAge: number | undefined;
  /** The run that holds the ID; undefined where nobody owns it. */
  readonly owned: SeenRun | undefined;
  /** Of the owner; undefined where it is no server any more. */
  readonly ownerState: 'active' | 'draining' | 'down' | undefined;
  /** Of the desired state. */
  readonly desiredRevision: number;
  readonly view: FleetView;
}

export type MoveDecision =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused' | 'waits'; readonly why: string }
  | {
      /** `rest`: it leaves its owner. `give`: it gets the next one. */
      readonly kind: 'rest' | 'give';
      readonly change: string;
      readonly when: readonly Condition[];
      readonly success: readonly Operation[];
    };

/** The next step of a move. */
export function decideMove(keys: Keys, of: MoveSituation): MoveDecision {
  const { owned, to, view } = of;
  if (owned !== undefined) {
    return owned.value.server === to ? { kind: 'done' } : leave(keys, of, owned);
  }
  const folder = `${of.pool}/${of.config}`;
  for (const [hex, rest] of view.rests.in(folder)) {
    if (!isWithin(of.hex, hex, rest.value.count)) continue;
    return { kind: 'waits', why: restText(of, removedAt(rest), rest.value) };
  }
  for (const [hex, pin] of view.pinned.in(folder)) {
    const { server, count } = pin.value;
    if (server === to || !isWithin(of.hex, hex, count)) continue;
    const whom = server === undefined ? 'is reserved' : `is pinned to ${server}`;
    return { kind: 'refused', why: `ID ${of.hex} of config ${of.config} ${whom}` };
  }
  return give(keys, of);
}

function leave(keys: Keys, of: MoveSituation, run: SeenRun): MoveDecision {
  const { pool, config, hex, to, view, connectionAge, ownerState, desiredRevision } = of;
  const owner = run.value.server;
  const what = `ID ${hex} of config ${config}`;
  const refused = (why: string): MoveDecision => ({ kind: 'refused', why });
  if (connectionAge === undefined) {
    return refused(
      `pool ${pool} has no allocation, which says how long the longest connection lasts: so nobody knows when ${what} is free of CIDs of ${owner}. Give ${to} an ID that nobody had`,
    );
  }
  if (view.uses.in(`${pool}/${config}`).has(owner)) {
    return refused(
      `server ${owner} may issue under ${what}, or its connections have CIDs of it. Drain it (cidctl drain ${owner} --wait), take it down (cidctl down ${owner}) and stop its sidecar; where that is gone for good, cidctl servers forget ${owner}. Or give ${to} another ID`,
    );
  }
  const live = view.liveServers.get(`${pool}/${owner}`) !== undefined;
  if (!live && ownerState !== undefined && ownerState !== 'down') {
    return refused(
      `server ${owner} gives no sign of life and is ${ownerState}, so it may have connections with CIDs of ${what}. Drain it (cidctl drain ${owner} --wait) and take it down (cidctl down ${owner}) first`,
    );
  }
  const folder = `${pool}/${config}`;
  const pin = view.pinned.in(folder).get(hex);
  const resting: RestValue = { server: owner, count: 1, restedSeconds: 0 };
  return {
    kind: 'rest',
    change: `${what} of pool ${pool} leaves server ${owner} and is at rest, for server ${to} then`,
    when: [
      unchanged(keys.revision, desiredRevision),
      unchanged(run.key, run.modRevision),
      // No mark: nothing was issued under it since, and the gate compares the key of the ID.
      absent(keys.use(pool, config, owner)),
      absent(keys.restId(pool, config, hex)),
      unchanged(keys.pinnedId(pool, config, hex), pin?.modRevision ?? 0),
    ],
    success: [
      ...without(keys, of, run),
      put(keys.restId(pool, config, hex), valueText(resting)),
      put(
        keys.pinnedId(pool, config, hex),
        valueText({ server: to, count: 1, why: `moves from ${owner} to ${to}` }),
      ),
    ],
  };
}

/** The run without the ID: what is before it, and what is after it. */
function without(keys: Keys, { pool, config, hex }: MoveSituation, run: SeenRun): Operation[] {
  const { count } = run.value;
  const before = Number(BigInt(`0x${hex}`) - BigInt(`0x${run.hex}`));
  const after = count - before - 1;
  const next = after > 0 ? idAfter(hex, 1) : undefined;
  const part = (of: number) => idValueText({ ...run.value, count: of });
  return [
    before > 0 ? put(run.key, part(before)) : remove(run.key),
    ...(next === undefined ? [] : [put(keys.id(pool, config, next), part(after))]),
  ];
}

function give(keys: Keys, of: MoveSituation): MoveDecision {
  const { pool, config, hex, to, view, desiredRevision } = of;
  const folder = `${pool}/${config}`;
  const pin = view.pinned.in(folder).get(hex);
  const request = view.requests.get(`${pool}/${to}`);
  const grant = request && {
    ...request.value,
    granted: {
      ...request.value.granted,
      [config]: [...(request.value.granted[String(config)] ?? []), hex],
    },
  };
  return {
    kind: 'give',
    change: `ID ${hex} of config ${config} of pool ${pool} comes to server ${to}`,
    when: [
      // ABSENT and RUN_RANGE: nobody got the ID, alone or in a run, since it was looked at.
      unchanged(keys.revision, desiredRevision),
      absent(keys.id(pool, config, hex)),
      // AT_REST
      rangeUnchanged(keys.rest(pool, config), view.revision),
      unchanged(keys.pinnedId(pool, config, hex), pin?.modRevision ?? 0),
      // GRANT
      unchanged(keys.request(pool, to), request?.modRevision ?? 0),
    ],
    success: [
      put(keys.id(pool, config, hex), idValueText({ server: to, count: 1, allocated: true })),
      ...(pin === undefined ? [] : [remove(pin.key)]),
      ...(grant === undefined || request === undefined ? [] : [put(request.key, valueText(grant))]),
    ],
  };
}

function restText(
  of: MoveSituation,
  removed: number,
  { server, restedSeconds }: RestValue,
): string {
  const { view, pool, config, hex, connectionAge } = of;
  const what = `ID ${hex} of config ${config}, which was ${server}'s, is at rest`;
  const left = Math.max(0, Math.ceil((connectionAge ?? 0) - restedSeconds));
  const waits = [
    ...(left > 0 ? [`${left} s at most, as the controller counts`] : []),
    ...(view.controllers.get(pool) === undefined ? ['a balancer that is the controller'] : []),
  ];
  const agents = waitingToForget(view, removed);
  if (agents.length > 0) waits.push(describeWaiting(agents));
  if (view.uses.in(`${pool}/${config}`).has(server)) waits.push(`${server}, which has a mark`);
  return waits.length === 0 ? what : `${what}; it waits for ${waits.join('; ')}`;
}

/** Whether an ID is in the run of `count` IDs that begins at `first`. */
export function isWithin(hex: string, first: string, count: number): boolean {
  if (hex.length !== first.length || hex < first) return false;
  const last = lastOfRun(first, count);
  return last === undefined || hex <= last;
}
