// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type ErrorCode } from '../../core/index.js';
import { Findings } from './findings.js';
import { fieldName, type Path, quotable, type Source } from './source.js';

/** Something that is allowed but looks like a mistake. */
export interface DocumentWarning {
  /** The document, or the key of a registry that keeps each thing under a key of its own. */
  readonly file: string;
  /** Left out where the place is a key. */
  readonly line?: number;
  readonly field: string;
  readonly message: string;
}

/** Where values stand that were put together to a document. */
export interface Places {
  /** `field` is left out where it is all that stands at that place. */
  placeOf(path: Path): { readonly file: string; readonly line?: number; readonly field?: string };
  /** A place in a message that points at a second one: `line 12`. */
  textOf(path: Path): string;
}

/** The places of a document that is one text. */
export function placesOf(source: Source, file: string): Places {
  return {
    placeOf: (path) => ({
      file,
      line: source.lineOf(path),
      ...(path.length === 0 ? {} : { field: fieldName(path) }),
    }),
    textOf: (path) => `line ${source.lineOf(path)}`,
  };
}

/** Collects the errors and warnings of a document, each with its place. */
export class Report {
  readonly errors = new Findings<CidecarError>();
  readonly warnings = new Findings<DocumentWarning>();
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  /** @param message a function where making it takes a look at another place */
  error(path: Path, message: Message, code: ErrorCode = 'DOCUMENT_INVALID'): void {
    this.errors.add(() => {
      const { field, ...place } = this.#places.placeOf(path);
      const named = field === undefined ? {} : { field: quotable(field) };
      return new CidecarError(code, textOf(message), { ...place, ...named });
    });
  }

  warn(path: Path, message: Message): void {
    this.warnings.add(() => {
      const { field = '', ...place } = this.#places.placeOf(path);
      return { ...place, field: quotable(field), message: textOf(message) };
    });
  }

  /** The place of a value as text (`line 12`), for messages that point at a second place. */
  lineText(path: Path): string {
    return this.#places.textOf(path);
  }
}

type Message = string | (() => string);

function textOf(message: Message): string {
  return quotable(typeof message === 'string' ? message : message());
}
