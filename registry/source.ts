// SPDX-License-Identifier: Apache-2.0
import {
  isMap,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLError,
} from 'yaml';
import { CidecarError } from '../cid/index.js';
import { DocumentError } from './document-error.js';

/** Where a value stands: names of fields, and numbers for the items of a list. */
export type Path = readonly (string | number)[];

/** `pools.web.vips[0].port` */
export function fieldName(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('');
}

/** A YAML document as plain values, with a way back from a path to its line. */
export interface Source {
  readonly value: unknown;
  /** Line of the value, or of its nearest ancestor where it is missing. First line is 1. */
  lineOf(path: Path, token?: string): number;
}

/** Throws DocumentError (DOCUMENT_SYNTAX) that names each line which is not YAML. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter();
  // Pretty errors quote the source, which may hold what must not reach a log.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // 'silent' would keep back the error that a second document is, too.
    logLevel: 'error',
    uniqueKeys: sameKey,
    version: '1.2',
  });
  const [first, ...rest] = document.errors.map(
    (error) =>
      new CidecarError('DOCUMENT_SYNTAX', messageOf(error), {
        file,
        line: lines.linePos(error.pos[0]).line,
      }),
  );
  if (first !== undefined) throw new DocumentError([first, ...rest]);

  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases that multiply past the parser's bound, or that name no anchor.
    const message = error instanceof Error ? firstLine(error.message) : 'cannot be read';
    throw new DocumentError([new CidecarError('DOCUMENT_SYNTAX', message, { file, line: 1 })]);
  }
  return {
    value,
    lineOf(path, token) {
      const start = offsetOf(document.contents, path);
      const inside = token === undefined ? -1 : text.indexOf(token, start);
      return lines.linePos(inside === -1 ? start : inside).line || 1;
    },
  };
}

/** Keys become names of fields, where 0 and "0" are one: the later would replace the earlier. */
function sameKey(a: ParsedNode, b: ParsedNode): boolean {
  return a === b || (isScalar(a) && isScalar(b) && String(a.value) === String(b.value));
}

function messageOf(error: YAMLError): string {
  return error.code === 'MULTIPLE_DOCS'
    ? 'a second YAML document begins here; a file holds one'
    : firstLine(error.message);
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

/** Offset of the key that names the value, so that a long value is found at its start. */
function offsetOf(root: Node | null, path: Path): number {
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
