// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/** Further errors are counted and not printed: one slip can repeat in a million IDs. */
const PRINTED = 20;

/**
 * All errors of a document, so that a person can correct them in one go. Its own code, message
 * and place are those of the first error.
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

  override get parts(): readonly CidecarError[] {
    return this.errors;
  }

  /** One line for each error, in the order of the document. */
  override describe(): string {
    const printed = this.errors.slice(0, PRINTED);
    const lines = printed.map((error) => error.describe());
    const rest = this.errors.length - printed.length + this.more;
    if (rest > 0) lines.push(`... and ${rest} more errors`);
    return lines.join('\n');
  }
}
