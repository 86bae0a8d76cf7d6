// SPDX-License-Identifier: Apache-2.0

/** Where a command prints: lines without their ends. */
export interface Io {
  out(line: string): void;
  err(line: string): void;
}

export const EXIT_OK = 0;
/** The CID does not route. 1 and 2 are errors (exitCodeFor). */
export const EXIT_NOT_ROUTABLE = 3;

/** Sets the exit code of the run; commander's actions cannot return one. */
export type SetExitCode = (code: number) => void;

export function printFields(io: Io, fields: readonly (readonly [name: string, value: string])[]) {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) io.out(`${name.padEnd(width)}  ${value}`);
}
