// SPDX-License-Identifier: Apache-2.0
import { LineCounter } from 'yaml';
import { CidecarError } from '../../core/index.js';
import { DocumentError } from './document-error.js';
import { Findings } from './findings.js';
import { MAX_DOCUMENT_OCTETS } from './limits.js';
import { LineFinder } from './line-finder.js';
import type { Path } from './path.js';
import { plainValuesOf } from './plain-values.js';
import type { Steps } from './steps.js';
import { nodesOf, type YamlFault } from './yaml-nodes.js';
import { type Refuse, tokensOf } from './yaml-tokens.js';

export type { Path };

/** Characters of a name, and of what the YAML library says, that a message shows. */
const SHOWN = 200;

/** A path as text: `pools.web.vips[0].port`. */
export function fieldName(path: Path): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`;
      return `${i === 0 ? '' : '.'}${shortened(quotable(part), SHOWN)}`;
    })
    .join('');
}

export function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}

/**
 * What a message may quote of a document. Someone may have pasted a key where its file belongs,
 * or anywhere else by mistake, and it must not reach a log. Server IDs have fewer digits, since
 * they have at most 15 octets.
 */
export function quotable(text: string): string {
  return text.replace(/[0-9a-f]{31,}/gi, '[hex digits]');
}

/**
 * What a message may quote of a value that is refused where it stands. There a key counts as one
 * also when its last digits were not copied.
 */
export function quotableValue(value: string): string {
  return value.replace(/[0-9a-f]{24,}/gi, '[hex digits]');
}

/** A YAML document as plain values, which knows the line of each of them. */
export interface Source {
  readonly value: unknown;
  /**
   * The line of a value, or of its nearest ancestor where it is missing. The first line is 1. A
   * number in the path can also mean an item of a text that stands for a list.
   */
  lineOf(path: Path): number;
}

/** Throws a DocumentError (DOCUMENT_SYNTAX) that names each line that is not YAML. */
export function* readSource(text: string, file: string): Steps<Source> {
  const lines = new LineCounter();
  const errorAt = ({ message, offset }: YamlFault): CidecarError => {
    const line = lines.linePos(offset).line || 1;
    return new CidecarError('DOCUMENT_SYNTAX', shortened(quotable(message), SHOWN), {
      file,
      line,
    });
  };
  const refuse: Refuse = (message, offset) => {
    throw new DocumentError([errorAt({ message, offset })]);
  };
  if (text.length > MAX_DOCUMENT_OCTETS) {
    refuse(`is too long: it has more than ${MAX_DOCUMENT_OCTETS} octets`, 0);
  }
  const tokens = yield* tokensOf(text, lines, refuse);
  const errors = new Findings<YamlFault>();
  const refuseWith = () => {
    const [first, ...rest] = errors.kept.map(errorAt);
    if (first !== undefined) throw new DocumentError([first, ...rest], errors.more);
  };
  const nodes = yield* nodesOf(tokens, text.length, errors);
  refuseWith();
  const value = yield* plainValuesOf(nodes, errors);
  refuseWith();
  const finder = new LineFinder(text, nodes, lines);
  return { value, lineOf: (path) => finder.lineOf(path) };
}
