// SPDX-License-Identifier: Apache-2.0
import { createLog } from '../daemon/log.js';
import { warnOfOldNames } from '../daemon/options/old-names.js';
import { openRegistry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import type { Decapsulation } from './host/decapsulation.js';
import type { SidecarOptions } from './options.js';

/** `cid-sidecar`: returns after SIGTERM or SIGINT, when what was open has ended in good order. */
export async function run(options: SidecarOptions): Promise<void> {
  const log = createLog('cid-sidecar', options.logLevel);
  warnOfOldNames(log, options.oldNames);
  const registry = openRegistry(options.registry, {
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
  });
  const daemon = new Daemon({ ...options, registry, log });

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

  let decapsulation: Decapsulation | undefined;
  const start = async () => {
    if (options.decap !== undefined) {
      const { attachDecapsulation } = await import('./host/decapsulation.js');
      if (stopping) return;
      decapsulation = await attachDecapsulation(options.decap);
    }
    await daemon.start();
  };
  // A signal during the start ends it: what has begun by then is let go of by stop().
  await Promise.race([start(), stopped]);
  await stopped;
  decapsulation?.close();
  await daemon.stop();
}
