// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../core/index.js';
import { DocumentError } from '../../document/document-error.js';
import type { DocumentWarning, Report } from '../../document/report.js';

/** What one check found; it is kept until what it looked at changes. */
export interface Found {
  readonly errors: readonly CidecarError[];
  readonly warnings: readonly DocumentWarning[];
  /** Errors beyond those. */
  readonly more: number;
}

export const NOTHING_FOUND: Found = { errors: [], warnings: [], more: 0 };

export function foundBy({ errors, warnings }: Report): Found {
  return { errors: errors.kept, warnings: warnings.kept, more: errors.more };
}

/** What `read` throws of what people put in, as findings; throws everything else. */
export function errorsOf(read: () => void): readonly CidecarError[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof DocumentError) return error.errors;
    if (error instanceof CidecarError) return [error];
    throw error;
  }
}
