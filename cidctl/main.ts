#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { PROCESS_OUTPUT } from '../daemon/program.js';
import { run } from './program.js';

// The reader of our output, such as head(1), may close it early, which is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await run(process.argv.slice(2), PROCESS_OUTPUT);
