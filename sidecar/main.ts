#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { exitCodeForDaemon } from '../core/index.js';
import { PROCESS_OUTPUT, runProgram } from '../daemon/program.js';
import { sidecarProgram } from './program.js';

// Not by exitCode: what a client has left open must not hold up the end.
process.exit(
  await runProgram(sidecarProgram(), process.argv.slice(2), PROCESS_OUTPUT, exitCodeForDaemon),
);
