// SPDX-License-Identifier: Apache-2.0
import { Command, CommanderError } from 'commander';
import { BUILT_IN_SCHEMES, type Schemes } from '../cid/index.js';
import { CidecarError, describeError, exitCodeFor } from '../core/index.js';
import { addDecode } from './commands/decode.js';
import { addEncode } from './commands/encode.js';
import { addExplain } from './commands/explain.js';
import { addKeygen } from './commands/keygen.js';
import { addValidate } from './commands/validate.js';
import { EXIT_OK, type Io } from './io.js';

/** Exit code for what commander itself refuses: unknown options, missing arguments. */
const EXIT_USAGE = 2;

/**
 * Runs one command and returns its exit code: 0 done, 1 unexpected, 2 bad input, 3 the CID
 * does not route.
 */
export async function run(
  args: readonly string[],
  io: Io,
  schemes: Schemes = BUILT_IN_SCHEMES,
): Promise<number> {
  let exitCode: number = EXIT_OK;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  const program = new Command('cidctl')
    .description('Makes, reads and explains QUIC connection IDs that carry a server ID.')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 unexpected, 2 bad input, 3 the CID does not route.',
    );
  // Subcommands take over these settings from the program, so they come first.
  program.exitOverride().configureOutput({
    writeOut: (text) => io.out(text.trimEnd()),
    writeErr: (text) => io.err(text.trimEnd()),
  });
  addEncode(program, io, schemes);
  addDecode(program, io, setExitCode, schemes);
  addExplain(program, io, setExitCode, schemes);
  addValidate(program, io, setExitCode, schemes);
  addKeygen(program, io);

  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    // Commander has printed its own already; code 0 is --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    const prefix = error instanceof CidecarError ? 'cidctl: ' : '';
    io.err(prefix + describeError(error));
    return exitCodeFor(error);
  }
  return exitCode;
}
