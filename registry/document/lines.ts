// SPDX-License-Identifier: Apache-2.0
import type { Path } from './path.js';
import { fieldName, quotable, readSource } from './source.js';
import { runAtOnce } from './steps.js';

/** A place in a document, as messages give it. */
export interface DocumentPlace {
  /** The first line is 1. */
  readonly line: number;
  /** `pools.web.vips[0].port` */
  readonly field: string;
}

/**
 * Finds places in the text of a document, for those who have only the state that it was read to.
 * What is not there has the place of what it would be in.
 *
 * @throws DocumentError where the text is no YAML
 */
export function placesIn(text: string, file: string): (path: Path) => DocumentPlace {
  const source = runAtOnce(readSource(text, file));
  return (path) => ({ line: source.lineOf(path), field: quotable(fieldName(path)) });
}
