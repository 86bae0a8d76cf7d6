// SPDX-License-Identifier: Apache-2.0
import {
  Composer,
  type CST,
  type Document,
  isMap,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type ParsedNode,
  Parser,
  type Scalar,
  visit,
} from 'yaml';
import { CidecarError } from '../../core/index.js';
import { DocumentError } from './document-error.js';

/** Where a value stands: names of fields, and numbers for the items of a list. */
export type Path = readonly (string | number)[];

/** A path as text: `pools.web.vips[0].port`. */
export function fieldName(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('');
}

/**
 * What a message may quote of a document. Someone may have pasted a key where its file belongs,
 * or anywhere else by mistake, and it must not reach a log. Server IDs have fewer digits, since
 * they have at most 15 octets.
 */
export function quotable(text: string): string {
  return text.replace(/[0-9a-f]{31,}/gi, '[hex digits]');
}

/** A YAML document as plain values, which knows the line of each of them. */
export interface Source {
  readonly value: unknown;
  /**
   * The line of a value, or of its nearest ancestor where it is missing. The first line is 1. A
   * number in the path can also mean an item of a text that stands for a list (see itemsOf).
   */
  lineOf(path: Path): number;
}

/** The items of a text that stands for a list; white space or commas separate them. */
export function itemsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((item) => item !== '');
}

/** Throws a DocumentError (DOCUMENT_SYNTAX) that names each line that is not YAML. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter();
  // Pretty errors quote the source, which may hold what must not reach a log.
  const fail = (message: string, offset: number): CidecarError => {
    const line = lines.linePos(offset).line || 1;
    return new CidecarError('DOCUMENT_SYNTAX', quotable(message), { file, line });
  };
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const deep = tooDeep(tokens);
  if (deep !== undefined) throw new DocumentError([fail('is nested too deeply', deep)]);

  // What parseDocument of yaml does, but with tokens that are known not to be nested too deeply.
  const composer = new Composer({
    prettyErrors: false,
    logLevel: 'error',
    uniqueKeys: sameKey,
    version: '1.2',
  });
  const [document, second] = composer.compose(tokens, true, text.length);
  if (document === undefined) throw new Error('an empty text is a document too');
  const errors = document.errors.map((error) => fail(firstLine(error.message), error.pos[0]));
  if (second !== undefined) {
    errors.push(fail('a second YAML document begins here; a file holds one', second.range[0]));
  }
  const [first, ...rest] = errors;
  if (first !== undefined) throw new DocumentError([first, ...rest]);

  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // The document has more aliases than the parser allows, or one that names no anchor.
    const message = error instanceof Error ? firstLine(error.message) : 'cannot be read';
    throw new DocumentError([fail(message, firstBadAlias(document))]);
  }
  return {
    value,
    lineOf: (path) => lines.linePos(offsetOf(text, document.contents, path)).line || 1,
  };
}

/**
 * Keys become names of fields, where 0 and "0" are the same: the later would replace the earlier.
 */
function sameKey(a: ParsedNode, b: ParsedNode): boolean {
  return a === b || (isScalar(a) && isScalar(b) && String(a.value) === String(b.value));
}

/** Far deeper than any document of ours, and harmless to a reader that recurses. */
const MAX_DEPTH = 64;

/** Offset of the first collection that is nested too deeply. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const open: [CST.Token, number][] = tokens.map((token) => [token, 0]);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [token, depth] = next;
    if (token.type === 'document' && token.value !== undefined) open.push([token.value, depth]);
    if (!('items' in token)) continue;
    if (depth >= MAX_DEPTH) return token.offset;
    for (const { key, value } of token.items) {
      for (const inner of [key, value]) {
        if (inner && 'items' in inner) open.push([inner, depth + 1]);
      }
    }
  }
  return undefined;
}

/** Offset of the first alias without an anchor before it, or else of the first alias. */
function firstBadAlias(document: Document.Parsed): number {
  const offsets: number[] = [];
  let bad: number | undefined;
  visit(document, {
    Alias(_, alias) {
      const offset = alias.range?.[0] ?? 0;
      offsets.push(offset);
      if (alias.resolve(document) !== undefined) return undefined;
      bad = offset;
      return visit.BREAK;
    },
  });
  return bad ?? offsets[0] ?? 0;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

/**
 * Offset of the key that names the value, so that a message points at the start of a long value.
 */
function offsetOf(text: string, root: Node | null, path: Path): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = (isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? offset;
      node = pair.value;
    } else if (typeof part === 'number' && isScalar(node)) {
      return itemOffset(text, node, part) ?? offset;
    } else if (typeof part === 'number' && typeof node === 'object' && node !== null) {
      const items: unknown = Reflect.get(node, 'items');
      const item: unknown = Array.isArray(items) ? items[part] : undefined;
      if (item === undefined) return offset;
      const range: unknown = Reflect.get(Object(item), 'range');
      if (Array.isArray(range) && typeof range[0] === 'number') offset = range[0];
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

/**
 * Offset of an item inside a text. The items before it are looked up one after the other, so
 * that none is taken for part of another. Undefined where the text has escapes: the offset of
 * the whole text serves then.
 */
function itemOffset(
  text: string,
  { value, range, type }: Scalar,
  index: number,
): number | undefined {
  if (typeof value !== 'string' || !range) return undefined;
  const [start, end] = range;
  if (type === 'QUOTE_DOUBLE' && text.slice(start, end).includes('\\')) return undefined;
  // The first line of a block is its header, which may hold a comment.
  const block = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED';
  let at = block ? text.indexOf('\n', start) : start;
  let found: number | undefined;
  for (const item of itemsOf(value).slice(0, index + 1)) {
    found = text.indexOf(item, at);
    if (found === -1 || found + item.length > end) return undefined;
    at = found + item.length;
  }
  return found;
}
