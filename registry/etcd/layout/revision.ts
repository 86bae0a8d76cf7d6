// SPDX-License-Identifier: Apache-2.0
import { padded } from './keys.js';

const NAME = 'etcd-';

/** The revision of a desired state, of the revision of etcd at which it was made. */
export function revisionText(number: number): string {
  return `${NAME}${number}`;
}

/** The number in a revision of this store; undefined for one of another store. */
export function revisionNumber(revision: string): number | undefined {
  if (!revision.startsWith(NAME)) return undefined;
  const digits = revision.slice(NAME.length);
  return /^\d{1,16}$/.test(digits) ? Number(digits) : undefined;
}

/**
 * A revision as the value of an acknowledgement: 20 decimal digits, so that etcd compares the
 * acknowledgements of a whole prefix in one comparison of their values.
 */
export function acknowledgement(number: number): string {
  return padded(number);
}
