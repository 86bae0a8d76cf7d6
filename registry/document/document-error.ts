// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/** More than this many are counted, not printed: one slip can repeat in a million IDs. */
const PRINTED = 20;

/**
 * Everything that is wrong with a document, at once, so that a person corrects it in one
 * go. Stands for its first error (code, place) where only one can be shown.
 */
export class DocumentError extends CidecarError {
  readonly errors: readonly [CidecarError, ...CidecarError[]];
  /** How many errors there are beyond `errors`, which is a list of bounded length. */
  readonly more: number;

  constructor(errors: readonly [CidecarError, ...CidecarError[]], more = 0) {
    const [first] = errors;
    super(first.code, first.message, { ...first.place, cause: first.cause });
    this.errors = errors;
    this.more = more;
  }

  /** One line an error, in the order of the document. */
  override describe(): string {
    const printed = this.errors.slice(0, PRINTED);
    const lines = printed.map((error) => error.describe());
    const rest = this.errors.length - printed.length + this.more;
    if (rest > 0) lines.push(`... and ${rest} more errors`);
    return lines.join('\n');
  }
}
