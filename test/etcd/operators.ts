// SPDX-License-Identifier: Apache-2.0
import { run } from '../../cidctl/program.js';

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command of cidctl in this process, as an operator does. */
export type Cidctl = (line: string, options?: { colours?: boolean }) => Promise<Printed>;

/** @param address of the registry, which is added to each command */
export function cidctlFor(address: string): Cidctl {
  return async (line, { colours = false } = {}) => {
    const out: string[] = [];
    const err: string[] = [];
    const words = line.match(/'[^']*'|\S+/g) ?? [];
    const args = words.map((word) => word.replaceAll("'", ''));
    const io = {
      out: (text: string) => void out.push(text),
      err: (text: string) => void err.push(text),
      colours,
    };
    const code = await run([...args, '--registry', address], io);
    return { code, out: out.join('\n'), err: err.join('\n') };
  };
}
