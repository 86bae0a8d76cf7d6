// SPDX-License-Identifier: Apache-2.0
import { Command, CommanderError } from 'commander';
import { CidecarError, describeError, exitCodeFor } from '../core/index.js';
import { versionText } from './version.js';

const EXIT_OK = 0;
/** Of what commander itself refuses: unknown options, missing arguments. */
const EXIT_USAGE = 2;

/** Where a program prints: lines without their ends. */
export interface ProgramOutput {
  out(line: string): void;
  err(line: string): void;
  /** Whether what is printed may have colours; not if left out. */
  readonly colours?: boolean;
}

export const PROCESS_OUTPUT: ProgramOutput = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  get colours() {
    const { NO_COLOR = '', TERM } = process.env;
    return process.stdout.isTTY === true && NO_COLOR === '' && TERM !== 'dumb';
  },
};

/** A program that runProgram runs; its subcommands inherit what is set here. */
export function newProgram(name: string, output: ProgramOutput = PROCESS_OUTPUT): Command {
  return (
    new Command(name)
      .version(versionText(), '--version', 'print version and commit')
      // So that a command may have a --version of its own.
      .enablePositionalOptions()
      .exitOverride()
      .showHelpAfterError('(--help shows what the command accepts)')
      .configureOutput({
        writeOut: (text) => output.out(text.trimEnd()),
        writeErr: (text) => output.err(text.trimEnd()),
      })
  );
}

/**
 * Runs a program to its end, says what ended it, and returns its exit code: 0 done, 2 bad
 * input that trying again cannot help, 1 all else.
 *
 * @param args without the interpreter and the script
 * @param exitCodeOf of an error that a command throws
 */
export async function runProgram(
  program: Command,
  args: readonly string[],
  output: ProgramOutput = PROCESS_OUTPUT,
  exitCodeOf: (error: unknown) => number = exitCodeFor,
): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    // Commander has printed its own already; code 0 is --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    const prefix = error instanceof CidecarError ? `${program.name()}: ` : '';
    output.err(prefix + describeError(error));
    return exitCodeOf(error);
  }
}
