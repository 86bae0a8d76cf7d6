// SPDX-License-Identifier: Apache-2.0

import { type IdWords, MAX_ROWS } from './id-words.js';
import { SERVER_ID_ROW } from './layout.js';
import type { IdList } from './routed-ids.js';

/** The form of a config's server-ID table; cid_config.h says what the forms are. */
export type TableShape = DenseShape | BucketShape;

export interface DenseShape {
  readonly kind: 'dense';
  /** Low bits of the ID that are the index, 4..24. */
  readonly indexBits: number;
  /** An ID, of which the bits above the index are what all IDs of the table have there. */
  readonly tag: IdWords;
}

export interface BucketShape {
  readonly kind: 'exact' | 'wide';
  readonly rows: number;
}

/** How IDs and reals lie in a row of buckets, in words of 4 octets. */
export const BUCKETS = {
  exact: { slots: 5, idWords: 2, realsAt: 10 },
  wide: { slots: 3, idWords: 4, realsAt: 12 },
} as const;

const DENSE_PER_ROW = 16;
/** So that a row is not shared. */
const LEAST_INDEX_BITS = 4;
const MOST_INDEX_BITS = 24;
/** A table of one page is small enough for anybody. */
const DENSE_ALWAYS_OCTETS = 4096;
/** Twice the memory for a third of the time is a good bargain. */
const DENSE_MEMORY_FACTOR = 2;

/**
 * Share of the slots in use when a table is built. Two choices take more than 0.9, but what
 * comes later is added without moving anything, which goes well for a tenth more IDs.
 */
const BUILD_LOAD = { exact: 0.6, wide: 0.45 } as const;
/** Attempts with more rows, a fifth each, before a build gives up. */
export const MAX_GROWTHS = 4;
/** Octets of the longest ID that an EXACT row holds. */
const EXACT_LENGTH = 8;

export function rowsOfShape(shape: TableShape): number {
  return shape.kind === 'dense' ? 2 ** shape.indexBits / DENSE_PER_ROW : shape.rows;
}

/** Buckets for `count` IDs. */
export function bucketShape(count: number, idLength: number, load?: number): BucketShape {
  const kind = idLength <= EXACT_LENGTH ? 'exact' : 'wide';
  const rows = Math.max(2, Math.ceil(count / BUCKETS[kind].slots / (load ?? BUILD_LOAD[kind])));
  if (rows > MAX_ROWS) throw new RangeError(`${count} server IDs are more than a table takes`);
  return { kind, rows };
}

/** Dense where the IDs were handed out densely (cheapest to look up), else buckets. */
export function chooseShape(ids: IdList): TableShape {
  const buckets = bucketShape(ids.length, ids.idLength);
  const indexBits = Math.max(LEAST_INDEX_BITS, ids.differingBits());
  const denseOctets = 4 * 2 ** indexBits;
  const affordable = Math.max(
    DENSE_ALWAYS_OCTETS,
    DENSE_MEMORY_FACTOR * SERVER_ID_ROW.size * buckets.rows,
  );
  if (indexBits > MOST_INDEX_BITS || denseOctets > affordable) return buckets;
  return { kind: 'dense', indexBits, tag: ids.length > 0 ? ids.id(0) : [0, 0, 0, 0] };
}

/** Word `word` (0 the lowest) of a number whose low `bits` bits are ones. */
export function onesWord(bits: number, word: number): number {
  const here = Math.min(32, Math.max(0, bits - 32 * word));
  return here === 0 ? 0 : 0xffff_ffff >>> (32 - here);
}

/**
 * Rows that a config with `count` IDs takes at most, whichever shape its IDs lead to.
 * Replacing a config needs the rows of both for a moment.
 */
export function serverIdRowsFor(count: number, idLength: number): number {
  const buckets = bucketShape(count, idLength).rows;
  const dense = DENSE_ALWAYS_OCTETS / SERVER_ID_ROW.size;
  return Math.max(dense, DENSE_MEMORY_FACTOR * buckets);
}
