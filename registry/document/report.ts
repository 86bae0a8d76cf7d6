// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type ErrorCode } from '../../core/index.js';
import { Findings } from './findings.js';
import { fieldName, type Path, quotable, type Source } from './source.js';

/** Something that is allowed but looks like a mistake. */
export interface DocumentWarning {
  readonly file: string;
  readonly line: number;
  readonly field: string;
  readonly message: string;
}

/** Collects the errors and warnings of a document, each with its place. */
export class Report {
  readonly errors = new Findings<CidecarError>();
  readonly warnings = new Findings<DocumentWarning>();
  readonly file: string;
  readonly #source: Source;

  constructor(source: Source, file: string) {
    this.#source = source;
    this.file = file;
  }

  /** @param message a function where making it takes a look at another place */
  error(path: Path, message: Message, code: ErrorCode = 'DOCUMENT_INVALID'): void {
    this.errors.add(
      () =>
        new CidecarError(code, textOf(message), {
          file: this.file,
          line: this.#source.lineOf(path),
          ...(path.length === 0 ? {} : { field: quotable(fieldName(path)) }),
        }),
    );
  }

  warn(path: Path, message: Message): void {
    this.warnings.add(() => ({
      file: this.file,
      line: this.#source.lineOf(path),
      field: quotable(fieldName(path)),
      message: textOf(message),
    }));
  }

  /** The line of a value as text (`line 12`), for messages that point at a second place. */
  lineText(path: Path): string {
    return `line ${this.#source.lineOf(path)}`;
  }
}

type Message = string | (() => string);

function textOf(message: Message): string {
  return quotable(typeof message === 'string' ? message : message());
}
