// SPDX-License-Identifier: Apache-2.0
import { createLog, type Log } from '../daemon/log.js';
import { warnOfOldNames } from '../daemon/options/old-names.js';
import { type DesiredState, openRegistry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import { vipsOf } from './host/decap-vips.js';
import { DecapsulationKeeper } from './host/decapsulation-keeper.js';
import type { SidecarOptions } from './options.js';

/** `cid-sidecar`: returns after SIGTERM or SIGINT, when what was open has ended in good order. */
export async function run(options: SidecarOptions): Promise<void> {
  const log = createLog('cid-sidecar', options.logLevel, options.logFormat);
  warnOfOldNames(log, options.oldNames);
  const registry = openRegistry(options.registry, {
    registryOptions: options.registryOptions,
    clusterSecret: options.clusterSecret,
    needsKey: (use) => daemon.needsKey(use),
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
    onSource: (state, source) => {
      daemon.noteSource(state, source);
      decapsulation?.allowVips(vipsOf(state));
    },
  });
  const decapsulation = keeperOf(options.decap, {
    log,
    first: () => daemon.first,
    onChange: () => daemon.check(),
  });
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

  // A signal during the start ends it: what has begun by then is let go of by stop().
  await Promise.race([daemon.start(), stopped]);
  await stopped;
  decapsulation?.close();
  await daemon.stop();
  await registry.close?.();
}

function keeperOf(
  decap: SidecarOptions['decap'],
  { log, first, onChange }: { log: Log; first(): DesiredState | undefined; onChange(): void },
): DecapsulationKeeper | undefined {
  if (decap === undefined) return undefined;
  return new DecapsulationKeeper({
    interface: decap.interface,
    sources: decap.sources,
    ...(decap.to === 'vips' && { vips: () => vipsOf(first()) }),
    attach: async (vips) =>
      (await import('./host/decapsulation.js')).attachDecapsulation(decap, vips),
    log,
    onChange,
  });
}
