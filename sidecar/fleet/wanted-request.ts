// SPDX-License-Identifier: Apache-2.0
import type { RequestValue } from '../../registry/etcd/layout/index.js';
import type { DesiredState } from '../../registry/index.js';
import type { RegistrationOptions } from './registration-options.js';

type Asking = Pick<
  RegistrationOptions,
  'pool' | 'address' | 'ids' | 'identity' | 'weight' | 'encapsulation'
>;
type Wanted = Omit<RequestValue, 'granted' | 'reclaimed'>;

/** @param state where the pool says how long IDs are held; undefined where that is not known yet */
export function wantedRequest(
  { address, ids, identity, pool, weight, encapsulation }: Asking,
  state: DesiredState | undefined,
): Wanted {
  const allocation = state?.pools.find(({ name }) => name === pool)?.allocation;
  const hold = allocation?.hold;
  return {
    address,
    identity,
    ...(ids !== undefined && { ids }),
    ...(hold && { hold }),
    ...(weight !== undefined && { weight }),
    ...(encapsulation !== undefined && { encapsulation }),
  };
}

/** Whether a request in etcd asks for what this server wants. */
export function isAsWanted(
  { address, ids, hold, identity, weight, encapsulation }: RequestValue,
  of: Asking,
  state: DesiredState | undefined,
): boolean {
  const wanted = wantedRequest(of, state);
  return (
    address === wanted.address &&
    ids === wanted.ids &&
    identity === wanted.identity &&
    weight === wanted.weight &&
    encapsulation === wanted.encapsulation &&
    // Before it is known, the hold stays what it is.
    (state === undefined || hold === wanted.hold)
  );
}
