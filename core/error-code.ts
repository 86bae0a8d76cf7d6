// SPDX-License-Identifier: Apache-2.0

/** The code of what a call of the system failed with, such as ENOENT; what was thrown if it has none. */
export function codeOf(cause: unknown): unknown {
  return (cause as NodeJS.ErrnoException).code ?? cause;
}
