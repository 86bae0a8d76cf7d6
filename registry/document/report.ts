// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type ErrorCode } from '../../core/index.js';
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
  readonly errors: CidecarError[] = [];
  readonly warnings: DocumentWarning[] = [];
  readonly #source: Source;
  readonly #file: string;

  constructor(source: Source, file: string) {
    this.#source = source;
    this.#file = file;
  }

  error(path: Path, message: string, code: ErrorCode = 'DOCUMENT_INVALID'): void {
    this.errors.push(
      new CidecarError(code, quotable(message), {
        file: this.#file,
        line: this.#source.lineOf(path),
        ...(path.length === 0 ? {} : { field: quotable(fieldName(path)) }),
      }),
    );
  }

  warn(path: Path, message: string): void {
    this.warnings.push({
      file: this.#file,
      line: this.#source.lineOf(path),
      field: quotable(fieldName(path)),
      message: quotable(message),
    });
  }

  /** The line of a value as text (`line 12`), for messages that point at a second place. */
  place(path: Path): string {
    return `line ${this.#source.lineOf(path)}`;
  }
}
