#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { exitCodeForDaemon } from '../core/index.js';
import { PROCESS_OUTPUT, runProgram } from '../daemon/program.js';
import { agentProgram } from './program.js';

const code = await runProgram(
  agentProgram(),
  process.argv.slice(2),
  PROCESS_OUTPUT,
  exitCodeForDaemon,
);
// A command that did its work may have said by its own code what it found.
if (code !== 0) process.exitCode = code;
