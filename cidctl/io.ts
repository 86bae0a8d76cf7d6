// SPDX-License-Identifier: Apache-2.0

import { CidecarError, exitCodeFor } from '../core/index.js';
import type { ProgramOutput } from '../daemon/program.js';

/** Where a command prints. */
export type Io = ProgramOutput;

export const EXIT_OK = 0;
/** The CID does not route. 1 and 2 are errors (exitCodeOf). */
export const EXIT_NOT_ROUTABLE = 3;

/** The change from one document to another loses connections, or can repeat CIDs. */
export const EXIT_LOSSY = 3;

/**
 * Exit code of a command that ends by this error. A command is not started again, so a file
 * that is missing is bad input here, where a daemon may see it come.
 */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CidecarError)) return exitCodeFor(error);
  return error.parts.some(({ code }) => code === 'FILE_UNREADABLE') ? 2 : exitCodeFor(error);
}

/** Sets the exit code of the run; commander's actions cannot return one. */
export type SetExitCode = (code: number) => void;

export function printFields(io: Io, fields: readonly (readonly [name: string, value: string])[]) {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) io.out(`${name.padEnd(width)}  ${value}`);
}
