// SPDX-License-Identifier: Apache-2.0
import { run } from '../../cidctl/program.js';

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs cidctl in this process, as an operator does; each line that it prints ends with \n. */
export async function runCidctl(args: readonly string[], colours = false): Promise<Printed> {
  const printed = { out: '', err: '' };
  const code = await run(args, {
    out: (line) => {
      printed.out += `${line}\n`;
    },
    err: (line) => {
      printed.err += `${line}\n`;
    },
    colours,
  });
  return { code, ...printed };
}

/** Runs one command line. The last line that it prints has no \n. */
export type Cidctl = (line: string, options?: { colours?: boolean }) => Promise<Printed>;

/** @param address of the registry, which is added to each command */
export function cidctlFor(address: string): Cidctl {
  return async (line, { colours = false } = {}) => {
    const words = line.match(/'[^']*'|\S+/g) ?? [];
    const args = words.map((word) => word.replaceAll("'", ''));
    const { code, out, err } = await runCidctl([...args, '--registry', address], colours);
    return { code, out: out.replace(/\n$/, ''), err: err.replace(/\n$/, '') };
  };
}
