// SPDX-License-Identifier: Apache-2.0
import { type CST, Lexer, type LineCounter, Parser } from 'yaml';
import { MAX_DEPTH, MAX_TOKENS } from './limits.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';

/** Throws what says that the document is refused, with the line of `offset`. */
export type Refuse = (message: string, offset: number) => never;

export interface Tokens {
  /** Of the whole text, one after the other. */
  readonly tokens: readonly CST.Token[];
  readonly collections: readonly Collection[];
}

/**
 * The tokens of a text, none of which is nested too deeply for what recurses into it.
 *
 * @param maxTokens pieces of YAML, of which a longer text is refused
 */
export function* tokensOf(
  text: string,
  lines: LineCounter,
  refuse: Refuse,
  maxTokens = MAX_TOKENS,
): Steps<Tokens> {
  const tokens: CST.Token[] = [];
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    count += 1;
    if (count > maxTokens) {
      refuse(
        `is too long: ${maxTokens} pieces of YAML end here; write the server IDs of a server as one text`,
        parser.offset,
      );
    }
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (count % ITEMS_PER_STEP === 0) yield;
  }
  for (const token of parser.end()) tokens.push(token);
  yield;
  return { tokens, collections: yield* collectionsOf(tokens, refuse) };
}

/** A list or mapping. Those that it contains come after it in the list of all. */
export type Collection = CST.FlowCollection | CST.BlockMap | CST.BlockSequence;

/** All collections, each before those within it. Refuses what is nested too deeply. */
function* collectionsOf(tokens: readonly CST.Token[], refuse: Refuse): Steps<Collection[]> {
  const collections: Collection[] = [];
  const depths: number[] = [];
  const take = (token: CST.Token | null | undefined, depth: number) => {
    if (!token) return;
    if (!('items' in token)) simplify(token);
    else if (depth > MAX_DEPTH) refuse('is nested too deeply', token.offset);
    else {
      collections.push(token);
      depths.push(depth);
    }
  };
  for (const token of tokens) if (token.type === 'document') take(token.value, 1);
  let count = 0;
  for (let at = 0; at < collections.length; at += 1) {
    const depth = (depths[at] ?? 0) + 1;
    const { type, items } = collections[at] ?? { items: [] };
    for (const { key, sep, value } of items) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      // The library leaves such a value out without a word.
      if (type === 'block-map' && value && !sep?.some(isColon)) {
        refuse('A value of a mapping must follow a colon', value.offset);
      }
      take(key, depth);
      take(value, depth);
    }
  }
  return collections;
}

function isColon({ type }: CST.SourceToken): boolean {
  return type === 'map-value-ind';
}

/** Shorter ones are read fast enough. */
const LONG_TEXT = 1024;

/**
 * Makes a single-quoted text of a long double-quoted one that means the same: the library reads
 * those fifty times faster, and a text of a million server IDs otherwise takes it two seconds.
 */
function simplify(token: CST.Token): void {
  if (token.type !== 'double-quoted-scalar' || token.source.length < LONG_TEXT) return;
  if (!token.source.endsWith('"') || /[\\'\r]/.test(token.source)) return;
  const single: { type: string; source: string } = token;
  single.type = 'single-quoted-scalar';
  single.source = `'${token.source.slice(1, -1)}'`;
}
