// SPDX-License-Identifier: Apache-2.0
import type { CST } from 'yaml';
import { ITEMS_PER_STEP, type Steps } from './steps.js';
import type { Collection } from './yaml-tokens.js';

/**
 * The library makes nodes of a whole document in one go, which takes seconds where there are a
 * million values. So large collections are cut: the first items of each become collections of
 * their own, which are made into nodes one by one, and the last ones stay where they are. Nodes
 * are put together again by whoever walks them (see yaml-nodes.ts). Anchors are no obstacle,
 * since nodes of aliases only hold the name.
 */
export interface Piece {
  /** Of which collection these are items. */
  readonly of: Collection;
  /** Stands for a document with that collection alone. */
  readonly document: CST.Document;
}

/** About how many values make a piece, which takes about a millisecond. */
export const PIECE_WEIGHT = 1000;
/** Characters of a text that weigh as much as a value. */
const CHARACTERS = 64;

/** Cuts the collections, given each before those within it, and returns what was cut off. */
export function* cutCollections(
  collections: readonly Collection[],
  pieceWeight: number,
): Steps<Piece[]> {
  const weights = new Map<CST.Token, number>();
  const weightOf = (token: CST.Token | null | undefined): number => {
    if (!token) return 0;
    if ('items' in token) return weights.get(token) ?? 0;
    return 1 + Math.floor(('source' in token ? token.source.length : 0) / CHARACTERS);
  };
  const pieces: Piece[] = [];
  let count = 0;
  // From the innermost on, so that what is within a collection has been cut when it is weighed.
  for (let at = collections.length - 1; at >= 0; at -= 1) {
    const collection = collections[at];
    if (collection === undefined) continue;
    const { items } = collection;
    let begin = 0;
    let weight = 0;
    for (let index = 0; index < items.length; index += 1) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      const item = items[index];
      if (item === undefined) continue;
      if (weight >= pieceWeight && canBegin(collection, item)) {
        pieces.push({ of: collection, document: documentOf(collection, begin, index) });
        begin = index;
        weight = 0;
      }
      weight += 1 + weightOf(item.key) + weightOf(item.value);
    }
    if (begin > 0) keepFrom(collection, begin);
    weights.set(collection, weight);
  }
  return pieces;
}

/** An item between commas begins with one, and the first of a collection must not. */
function canBegin({ type }: Collection, item: Collection['items'][number]): boolean {
  if (type !== 'flow-collection') return true;
  return item.start.filter((token) => token.type === 'comma').length === 1;
}

function documentOf(collection: Collection, begin: number, end: number): CST.Document {
  const value = sliceOf(collection, begin, end);
  return { type: 'document', offset: value.offset, start: [], value };
}

function sliceOf(collection: Collection, begin: number, end: number): Collection {
  if (collection.type !== 'flow-collection') return restOf(collection, begin, end);
  const { offset, indent, start } = collection;
  const type = start.type === 'flow-map-start' ? 'flow-map-end' : 'flow-seq-end';
  const source = type === 'flow-map-end' ? '}' : ']';
  return { ...restOf(collection, begin, end), end: [{ type, offset, indent, source }] };
}

/** What stays: the last items, with the end of the collection. */
function keepFrom(collection: Collection, begin: number): void {
  Object.assign(collection, restOf(collection, begin, collection.items.length));
}

function restOf<Some extends Collection>(collection: Some, begin: number, end: number): Some {
  const items = collection.items.slice(begin, end);
  const [first, ...others] = items;
  if (begin === 0 || first === undefined) return { ...collection, items };
  if (collection.type === 'flow-collection') {
    const start = first.start.filter((token) => token.type !== 'comma');
    return { ...collection, items: [{ ...first, start }, ...others] };
  }
  // The library measures the first key from where the collection begins.
  const at = first.start[0] ?? first.key ?? first.sep?.[0] ?? first.value;
  return { ...collection, offset: at?.offset ?? collection.offset, items };
}
