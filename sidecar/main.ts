#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { describeError, exitCodeFor } from '../core/index.js';
import { createLog } from '../daemon/log.js';
import { openRegistry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import type { Decapsulation } from './host/decapsulation.js';
import { readCommandLine } from './options.js';

async function main(): Promise<void> {
  const flags = readCommandLine(process.argv);
  const log = createLog('cid-sidecar', flags.logLevel);
  const registry = openRegistry(flags.registry, {
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
  });
  const daemon = new Daemon({ ...flags, registry, log });

  let decapsulation: Decapsulation | undefined;
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(1); // Asked twice.
    stopping = true;
    log.info({ signal }, 'stopping');
    decapsulation?.close();
    void daemon.stop().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => void daemon.reload());

  if (flags.decap !== undefined) {
    const { attachDecapsulation } = await import('./host/decapsulation.js');
    if (stopping) return;
    decapsulation = await attachDecapsulation(flags.decap);
  }
  await daemon.start();
}

function fail(error: unknown): never {
  process.stderr.write(`cid-sidecar: ${describeError(error)}\n`);
  process.exit(exitCodeFor(error));
}

main().catch(fail);
