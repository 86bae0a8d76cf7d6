// SPDX-License-Identifier: Apache-2.0
import { Composer, type CST, type Document, isCollection, type Node } from 'yaml';
import type { Findings } from './findings.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';
import { cutCollections, PIECE_WEIGHT, type Piece } from './yaml-pieces.js';
import type { Tokens } from './yaml-tokens.js';

/** Something that is not YAML, at an offset of the text. */
export interface YamlFault {
  readonly message: string;
  readonly offset: number;
}

/** The nodes of a document. */
export interface Nodes {
  readonly root: Node | null;
  /** Items of a list or pairs of a mapping, all of them. */
  itemsOf(collection: Node): readonly unknown[];
}

/**
 * Makes nodes of tokens, piece by piece.
 *
 * @param length characters of the text
 * @param errors receives what is wrong; the nodes are of use only where that is nothing
 * @param pieceWeight about how many values are made into nodes in one go
 */
export function* nodesOf(
  { tokens, collections }: Tokens,
  length: number,
  errors: Findings<YamlFault>,
  pieceWeight = PIECE_WEIGHT,
): Steps<Nodes> {
  const pieces = yield* cutCollections(collections, pieceWeight);
  const root = yield* composeDocument(tokens, length, errors);
  const cutOff = yield* composePieces(pieces, errors);
  return { root, itemsOf: (collection) => itemsOf(collection, cutOff) };
}

function* composeDocument(
  tokens: readonly CST.Token[],
  length: number,
  errors: Findings<YamlFault>,
): Steps<Node | null> {
  const composer = newComposer(errors);
  const documents: Document.Parsed[] = [];
  let count = 0;
  for (const token of tokens) {
    if (++count % ITEMS_PER_STEP === 0) yield;
    if (token.type === 'error') note(errors, token.message, token.offset);
    else documents.push(...composer.next(token));
    // A file holds one document; of others it is enough to know that they are there.
    if (documents.length > 1) break;
  }
  documents.push(...composer.end(true, length));
  const [document, second] = documents;
  if (document === undefined) throw new Error('an empty text is a document too');
  for (const { message, pos } of document.errors) note(errors, message, pos[0]);
  if (second !== undefined) {
    note(errors, 'a second YAML document begins here; a file holds one', second.range[0]);
  }
  return document.contents;
}

/** What was cut off a collection. */
interface CutOff {
  readonly items: unknown[];
  /** Offset at which the collection begins. */
  readonly start: number;
}

function* composePieces(
  pieces: readonly Piece[],
  errors: Findings<YamlFault>,
): Steps<ReadonlyMap<CST.Token, CutOff>> {
  const cutOff = new Map<CST.Token, CutOff>();
  for (const { of, document } of pieces) {
    yield;
    const composer = newComposer(errors);
    const [made] = [...composer.next(document), ...composer.end()];
    const contents = made?.contents;
    if (!isCollection(contents)) continue;
    const before = cutOff.get(of);
    if (before === undefined) {
      cutOff.set(of, { items: [...contents.items], start: contents.range[0] });
    } else for (const item of contents.items) before.items.push(item);
  }
  return cutOff;
}

/** Puts a collection together where that was not done yet. */
function itemsOf(node: Node, cutOff: ReadonlyMap<CST.Token, CutOff>): readonly unknown[] {
  if (!isCollection(node)) return [];
  const first = node.srcToken && cutOff.get(node.srcToken);
  if (first === undefined || node.items === first.items) return node.items;
  for (const item of node.items) first.items.push(item);
  node.items = first.items;
  if (node.range) node.range = [first.start, node.range[1], node.range[2]];
  return first.items;
}

function newComposer(errors: Findings<YamlFault>): Composer {
  const composer = new Composer({
    // Pretty errors quote the source, which may hold what must not reach a log.
    prettyErrors: false,
    logLevel: 'error',
    // The library compares each key with all before it; plain-values.ts does it with a set.
    uniqueKeys: false,
    // A set is checked as a whole by the library, which sees pieces of it.
    resolveKnownTags: false,
    version: '1.2',
    keepSourceTokens: true,
  });
  // The library makes an Error of each fault, with a stack, which takes minutes for a million.
  // Where a version of it calls this by another name, reading is slower and not wrong.
  Reflect.set(
    composer,
    'onError',
    (
      source: number | readonly number[] | CST.Token,
      _: string,
      message: string,
      mild?: boolean,
    ) => {
      if (mild) return;
      const offset =
        typeof source === 'object' && 'offset' in source ? source.offset : [source].flat()[0];
      note(errors, message, typeof offset === 'number' ? offset : 0);
    },
  );
  return composer;
}

function note(errors: Findings<YamlFault>, message: string, offset: number): void {
  errors.add(() => ({ message: message.split('\n', 1)[0] ?? message, offset }));
}
