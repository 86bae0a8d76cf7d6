#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { PROCESS_OUTPUT } from '../daemon/program.js';
import { run } from './program.js';

// A reader of the output, such as head(1), may have enough of it; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await run(process.argv.slice(2), PROCESS_OUTPUT);
