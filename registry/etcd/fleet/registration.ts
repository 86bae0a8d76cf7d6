// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../core/index.js';
import {
  absent,
  get,
  type Operation,
  put,
  remove,
  type Transaction,
  unchanged,
} from '../client/index.js';
import {
  type Keys,
  type LiveServerValue,
  type RequestValue,
  type RestValue,
  valueText,
} from '../layout/index.js';
import type { Entry } from './fleet-table.js';

/** A sidecar, as the registry knows it. */
export interface Registrant {
  readonly pool: string;
  readonly server: string;
  /** UUID of its state folder. */
  readonly identity: string;
}

/** What stands in the registry of the server that a sidecar wants to be. */
export interface SeenRegistration {
  readonly request: Entry<RequestValue> | undefined;
  readonly live: Entry<LiveServerValue> | undefined;
}

/**
 * IDENTITY: a server is the state folder that registered it. Throws SERVER_TAKEN where it is
 * another one.
 */
export function requireIdentity(of: Registrant, { request, live }: SeenRegistration): void {
  const other = [request, live].find(
    (entry) => entry !== undefined && entry.value.identity !== of.identity,
  );
  if (other === undefined) return;
  const { pool, server, identity } = of;
  const whose = `server ${server} of pool ${pool} is registered by another state folder (identity ${other.value.identity}; this one is ${identity})`;
  const message =
    live !== undefined && live.value.identity !== identity
      ? `${whose}, whose sidecar is alive${request === undefined ? '' : ` at ${request.value.address}`}: two servers cannot have one name`
      : `${whose}, which gives no sign of life. If that server is gone for good: cidctl ids release ${pool} --server ${server} --gone`;
  throw new CidecarError('SERVER_TAKEN', message);
}

/** What others know of a sidecar, and the lease on which that hangs. */
export interface Sign {
  readonly value: LiveServerValue;
  readonly lease: string;
}

/**
 * Asks for a server and its IDs, or for something else than before. What was granted stays.
 *
 * @param sign where the sidecar comes to life with it: what {@link comeToLife} says of that holds
 * here too, the last result included
 */
export function register(
  keys: Keys,
  { pool, server }: Registrant,
  { request, live }: SeenRegistration,
  value: Omit<RequestValue, 'granted' | 'reclaimed'>,
  sign?: Sign,
): Transaction {
  const key = keys.request(pool, server);
  const granted = request?.value.granted ?? {};
  const liveKey = keys.liveServer(pool, server);
  const asked = put(key, valueText({ ...value, granted }));
  return {
    when: [unchanged(key, request?.modRevision ?? 0), unchanged(liveKey, live?.modRevision ?? 0)],
    success: sign === undefined ? [asked] : withLife(keys, liveKey, asked, sign),
  };
}

/**
 * The sign of life of a sidecar, at its start and when its lease was lost. RETURN_SEEN: it
 * rewrites the request, so that nobody takes its IDs back on a clock that began before. It fails
 * where the request is another one by now; then its IDs may be gone.
 *
 * RETURN_OWNS: the last result is the revision of the desired state at this moment. The sidecar
 * issues under what was handed out when that state, or a later one, is in force: what is its own
 * in it cannot be taken back on a clock that began before.
 */
export function comeToLife(
  keys: Keys,
  { pool, server }: Registrant,
  { request, live }: { readonly request: Entry<RequestValue> } & Pick<SeenRegistration, 'live'>,
  sign: Sign,
): Transaction {
  const key = keys.liveServer(pool, server);
  const { reclaimed: _, ...value } = request.value;
  return {
    when: [unchanged(request.key, request.modRevision), unchanged(key, live?.modRevision ?? 0)],
    success: withLife(keys, key, put(request.key, valueText(value)), sign),
  };
}

function withLife(keys: Keys, key: string, request: Operation, sign: Sign): Operation[] {
  return [put(key, valueText(sign.value), sign.lease), request, get(keys.revision)];
}

/** IDs that are put to rest. */
export interface ReleasedId {
  readonly config: number;
  readonly hex: string;
  readonly count: number;
}

/** The operations that take IDs from a server and put them to rest. */
export function restOperations(
  keys: Keys,
  { pool, server }: Pick<Registrant, 'pool' | 'server'>,
  ids: readonly ReleasedId[],
): Operation[] {
  return ids.flatMap(({ config, hex, count }) => {
    const value: RestValue = { server, count, restedSeconds: 0 };
    return [
      remove(keys.id(pool, config, hex)),
      put(keys.restId(pool, config, hex), valueText(value)),
    ];
  });
}

export interface Leaving extends Registrant {
  readonly request: Entry<RequestValue>;
  /** IDs to put to rest with this transaction. */
  readonly ids: readonly ReleasedId[];
  /** Whether these are the last: the server goes with them. */
  readonly last: boolean;
  /** Whether the server is one that registered itself, and not one that a document names. */
  readonly registered: boolean;
  /** Configs under which it has a mark. */
  readonly marks: readonly number[];
}

/**
 * A server gives its IDs back, and is no server any more. STOP_SAVED: it issues nothing by then,
 * and its disk says so. A late copy finds another request and does nothing, so that it takes no
 * marks that were put since (MARK_SEEN).
 */
export function leaveOperations(keys: Keys, leaving: Leaving): Operation[] {
  const { pool, server, request, ids, last, registered, marks } = leaving;
  const value = { ...request.value, reclaimed: true };
  return [
    ...restOperations(keys, leaving, ids),
    last ? remove(request.key) : put(request.key, valueText(value)),
    ...(last && registered ? [remove(keys.server(pool, server))] : []),
    ...(last ? marks.map((config) => remove(keys.use(pool, config, server))) : []),
  ];
}

/** That the server gives no sign of life. */
export function isSilent(keys: Keys, { pool, server }: Pick<Registrant, 'pool' | 'server'>) {
  return absent(keys.liveServer(pool, server));
}
