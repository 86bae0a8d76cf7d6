// SPDX-License-Identifier: Apache-2.0

import { type IdWords, MAX_ROWS } from './id-words.js';
import { SERVER_ID_ROW } from './layout.js';
import type { RoutedIds } from './routed-ids.js';

/** The form of a config's server-ID table; cid_config.h says what the forms are. */
export type TableShape = DenseShape | BucketShape;

export interface DenseShape {
  readonly kind: 'dense';
  /** How many low bits of the ID are the index, 4..24. */
  readonly indexBits: number;
  /** An ID of the table: all others have the same bits above the index. */
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
/** A table takes whole rows. */
const LEAST_INDEX_BITS = 4;
const MOST_INDEX_BITS = 24;
/** A table of one page is always small enough. */
const DENSE_ALWAYS_OCTETS = 4096;
/** A dense table is read in a third of the time, which is worth twice the memory. */
const DENSE_MEMORY_FACTOR = 2;

/**
 * Share of the slots in use when a table is built. With two choices more than 0.9 could be, but
 * IDs that come later are added without a move, and this leaves room for a tenth more of them.
 */
const BUILD_LOAD = { exact: 0.6, wide: 0.45 } as const;
/** Attempts, each with a fifth more rows, before a build gives up. */
export const MAX_GROWTHS = 4;
/** Octets of the longest ID that a row of an `exact` table holds. */
const EXACT_LENGTH = 8;

/** Rows of 64 octets. */
export function rowsOfShape(shape: TableShape): number {
  return shape.kind === 'dense' ? 2 ** shape.indexBits / DENSE_PER_ROW : shape.rows;
}

/** Buckets for `count` IDs of `idLength` octets. @throws RangeError for too many IDs */
export function bucketShape(count: number, idLength: number, load?: number): BucketShape {
  const kind = idLength <= EXACT_LENGTH ? 'exact' : 'wide';
  const rows = Math.max(2, Math.ceil(count / BUCKETS[kind].slots / (load ?? BUILD_LOAD[kind])));
  if (rows > MAX_ROWS) throw new RangeError(`${count} server IDs are more than a table takes`);
  return { kind, rows };
}

/**
 * A dense table, which is the cheapest to read, if the IDs lie densely enough; else buckets.
 *
 * @param room how many times as many IDs as there are are to find a place in buckets
 */
export function chooseShape(ids: RoutedIds, room = 1): TableShape {
  const buckets = bucketShape(ids.length, ids.idLength);
  const indexBits = Math.max(LEAST_INDEX_BITS, ids.differingBits());
  const denseOctets = 4 * 2 ** indexBits;
  const affordable = Math.max(
    DENSE_ALWAYS_OCTETS,
    DENSE_MEMORY_FACTOR * SERVER_ID_ROW.size * buckets.rows,
  );
  if (indexBits > MOST_INDEX_BITS || denseOctets > affordable) {
    return bucketShape(Math.ceil(room * ids.length), ids.idLength);
  }
  return { kind: 'dense', indexBits, tag: ids.length > 0 ? ids.id(0) : [0, 0, 0, 0] };
}

/** Word `word` (0 the lowest) of a number whose low `bits` bits are ones. */
export function onesWord(bits: number, word: number): number {
  const here = Math.min(32, Math.max(0, bits - 32 * word));
  return here === 0 ? 0 : 0xffff_ffff >>> (32 - here);
}

/**
 * The most rows that a config with `count` IDs takes, whatever shape its IDs lead to. While a
 * config is replaced, the rows of both are in use.
 */
export function serverIdRowsFor(count: number, idLength: number): number {
  const buckets = bucketShape(count, idLength).rows;
  const dense = DENSE_ALWAYS_OCTETS / SERVER_ID_ROW.size;
  return Math.max(dense, DENSE_MEMORY_FACTOR * buckets);
}
