// SPDX-License-Identifier: Apache-2.0
import { exitCodeForDaemon } from '../../core/index.js';
import { PROCESS_OUTPUT, runProgram } from '../../daemon/program.js';
import { agentProgram } from '../../lb-agent/program.js';

// lb-agent as it is, with times of the fleet that are short enough for a proof. They are JSON in
// the environment, so that the command line is that of the real program.
process.exitCode = await runProgram(
  agentProgram(JSON.parse(process.env.CIDECAR_FLEET_TIMES ?? '{}')),
  process.argv.slice(2),
  PROCESS_OUTPUT,
  exitCodeForDaemon,
);
