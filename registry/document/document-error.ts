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

  constructor(errors: readonly [CidecarError, ...CidecarError[]]) {
    const [first] = errors;
    super(first.code, first.message, { ...first.place, cause: first.cause });
    this.errors = errors;
  }

  override get parts(): readonly CidecarError[] {
    return this.errors;
  }

  /** One line an error, in the order of the document. */
  override describe(): string {
    const lines = this.errors.slice(0, PRINTED).map((error) => error.describe());
    const rest = this.errors.length - PRINTED;
    if (rest > 0) lines.push(`... and ${rest} more errors`);
    return lines.join('\n');
  }
}
