// SPDX-License-Identifier: Apache-2.0
import { createLog, type Log } from '../daemon/log.js';
import { warnOfOldNames } from '../daemon/options/old-names.js';
import { openRegistry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import { DecapsulationKeeper } from './host/decapsulation-keeper.js';
import type { DecapsulationFlags, SidecarOptions } from './options.js';

/** `cid-sidecar`: returns after SIGTERM or SIGINT, when what was open has ended in good order. */
export async function run(options: SidecarOptions): Promise<void> {
  const log = createLog('cid-sidecar', options.logLevel);
  warnOfOldNames(log, options.oldNames);
  const registry = openRegistry(options.registry, {
    needsKey: (use) => daemon.needsKey(use),
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
    onSource: (state, source) => daemon.noteSource(state, source),
  });
  const decapsulation =
    options.decap && keeperOf(options.decap, { log, onChange: () => daemon.check() });
  const daemon: Daemon = new Daemon({
    ...options,
    registry,
    log,
    ...(decapsulation && { decapsulation }),
  });

  let stopping = false;
  const stopped = new Promise<void>((resolve) => {
    const stop = (signal: string) => {
      if (stopping) process.exit(1); // Asked twice.
      stopping = true;
      log.info({ signal }, 'stopping');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  process.on('SIGHUP', () => void daemon.reload());

  const start = async () => {
    await decapsulation?.start();
    if (!stopping) await daemon.start();
  };
  // A signal during the start ends it: what has begun by then is let go of by stop().
  await Promise.race([start(), stopped]);
  await stopped;
  decapsulation?.close();
  await daemon.stop();
}

function keeperOf(flags: DecapsulationFlags, { log, onChange }: { log: Log; onChange(): void }) {
  return new DecapsulationKeeper({
    interface: flags.interface,
    sources: flags.sources,
    attach: async () => (await import('./host/decapsulation.js')).attachDecapsulation(flags),
    log,
    onChange,
  });
}
