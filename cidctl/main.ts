#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { run } from './program.js';

process.exitCode = await run(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
});
