// SPDX-License-Identifier: Apache-2.0
import { isMap, isNode, isPair, isScalar, isSeq, type LineCounter, type Scalar } from 'yaml';
import type { Path } from './path.js';
import type { Nodes } from './yaml-nodes.js';

/** How far apart the items of a text are whose offsets are kept. */
const MARK_EVERY = 256;

/** Items of a text that is a list. */
interface TextItems {
  /** Offset of each MARK_EVERY-th item, as far as somebody asked. */
  readonly marks: number[];
  readonly end: number;
}

/**
 * Finds the line of a value by its path. What a look-up had to go through is remembered, so
 * that a thousand errors in a list of a million items cost little more than one.
 */
export class LineFinder {
  readonly #text: string;
  readonly #nodes: Nodes;
  readonly #lines: LineCounter;
  readonly #pairs = new WeakMap<object, Map<string, unknown>>();
  readonly #texts = new WeakMap<Scalar, TextItems | null>();

  constructor(text: string, nodes: Nodes, lines: LineCounter) {
    this.#text = text;
    this.#nodes = nodes;
    this.#lines = lines;
  }

  /** First line is 1. */
  lineOf(path: Path): number {
    return this.#lines.linePos(this.#offsetOf(path)).line || 1;
  }

  /** Offset of the key that names the value, so that a long value is found at its start. */
  #offsetOf(path: Path): number {
    let node: unknown = this.#nodes.root;
    let offset = startOf(node) ?? 0;
    for (const part of path) {
      if (isMap(node)) {
        const pair = this.#pairOf(node, String(part));
        if (!isPair(pair)) return offset;
        offset = startOf(pair.key) ?? offset;
        node = pair.value;
      } else if (typeof part === 'number' && isScalar(node)) {
        return this.#itemOffset(node, part) ?? offset;
      } else if (typeof part === 'number' && isSeq(node)) {
        const item = this.#nodes.itemsOf(node)[part];
        if (item === undefined) return offset;
        offset = startOf(item) ?? offset;
        node = item;
      } else {
        return offset;
      }
    }
    return offset;
  }

  #pairOf(mapping: Parameters<Nodes['itemsOf']>[0], name: string): unknown {
    let pairs = this.#pairs.get(mapping);
    if (pairs === undefined) {
      pairs = new Map();
      for (const item of this.#nodes.itemsOf(mapping)) {
        if (!isPair(item) || !isScalar(item.key)) continue;
        pairs.set(String(item.key.value ?? ''), item);
      }
      this.#pairs.set(mapping, pairs);
    }
    return pairs.get(name);
  }

  /** Offset of an item inside a text. Where there are escapes, the text itself has to do. */
  #itemOffset(scalar: Scalar, index: number): number | undefined {
    let items = this.#texts.get(scalar);
    if (items === undefined) {
      items = this.#itemsOf(scalar);
      this.#texts.set(scalar, items);
    }
    if (items === null) return undefined;
    const { marks, end } = items;
    const from = Math.min(Math.floor(index / MARK_EVERY), marks.length - 1);
    const item = /[^\s,]+/g;
    item.lastIndex = marks[from] ?? end;
    for (let at = from * MARK_EVERY; ; at += 1) {
      const found = item.exec(this.#text)?.index;
      if (found === undefined || found >= end) return undefined;
      if (at === marks.length * MARK_EVERY) marks.push(found);
      if (at === index) return found;
    }
  }

  #itemsOf({ value, range, type }: Scalar): TextItems | null {
    if (typeof value !== 'string' || !range) return null;
    const [start, end] = range;
    if (type === 'QUOTE_DOUBLE' && this.#text.slice(start, end).includes('\\')) return null;
    if (type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED') {
      // The header of a block may hold a comment.
      const header = this.#text.indexOf('\n', start);
      return { marks: [header === -1 ? end : header], end };
    }
    const quoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
    return { marks: [quoted ? start + 1 : start], end: quoted ? end - 1 : end };
  }
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
