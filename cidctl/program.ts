// SPDX-License-Identifier: Apache-2.0
import { BUILT_IN_SCHEMES, type Schemes } from '../cid/index.js';
import { newProgram, runProgram } from '../daemon/program.js';
import { addAgents } from './commands/agents.js';
import { addApply } from './commands/apply.js';
import { addConfigs } from './commands/configs.js';
import { addDecode } from './commands/decode.js';
import { addDrain } from './commands/drain.js';
import { addEncode } from './commands/encode.js';
import { addEvents } from './commands/events.js';
import { addExplain } from './commands/explain.js';
import { addExport } from './commands/export.js';
import { addGrants } from './commands/grants.js';
import { addIds } from './commands/ids.js';
import { addKeygen } from './commands/keygen.js';
import { addMove } from './commands/move.js';
import { addPools } from './commands/pools.js';
import { addReseal } from './commands/reseal.js';
import { addRotate } from './commands/rotate.js';
import { addServers } from './commands/servers.js';
import { addValidate } from './commands/validate.js';
import { EXIT_OK, exitCodeOf, type Io } from './io.js';

/**
 * Runs one command and returns its exit code: 0 done, 1 unexpected, 2 bad input, 3 the CID
 * does not route, or the change to a document loses something.
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
  const program = newProgram('cidctl', io)
    .description('Makes, reads and explains QUIC connection IDs that carry a server ID.')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 unexpected, 2 bad input, 3 the CID does not route, or the change ' +
        'that `validate --against` or `apply` looks at loses connections or can repeat CIDs.',
    );
  addEncode(program, io, schemes);
  addDecode(program, io, setExitCode, schemes);
  addExplain(program, io, setExitCode, schemes);
  addValidate(program, io, setExitCode, schemes);
  addApply(program, io, setExitCode, schemes);
  addExport(program, io, schemes);
  addReseal(program, io);
  addGrants(program, io);
  addIds(program, io, schemes);
  addRotate(program, io, setExitCode);
  addKeygen(program, io);
  addPools(program, io, schemes);
  addServers(program, io, schemes);
  addConfigs(program, io, schemes);
  addAgents(program, io, schemes);
  addDrain(program, io, setExitCode, schemes);
  addEvents(program, io);
  addMove(program, io, setExitCode, schemes);

  const ended = await runProgram(program, args, io, exitCodeOf);
  return ended === EXIT_OK ? exitCode : ended;
}
