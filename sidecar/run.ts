// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path';
import { LastGood } from '../daemon/last-good.js';
import { createLog, type Log } from '../daemon/log.js';
import { warnOfOldNames } from '../daemon/options/old-names.js';
import { openRegistry, type Registry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import { firstVips, vipsOf } from './host/decap-vips.js';
import { DecapsulationKeeper } from './host/decapsulation-keeper.js';
import type { SidecarOptions } from './options.js';

/** `cid-sidecar`: returns after SIGTERM or SIGINT, when what was open has ended in good order. */
export async function run(options: SidecarOptions): Promise<void> {
  const log = createLog('cid-sidecar', options.logLevel);
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
  const decapsulation = keeperOf(options, registry, { log, onChange: () => daemon.check() });
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
  await registry.close?.();
}

function keeperOf(
  { decap, stateFolder, clusterSecret }: SidecarOptions,
  registry: Registry,
  { log, onChange }: { log: Log; onChange(): void },
): DecapsulationKeeper | undefined {
  if (decap === undefined) return undefined;
  const lastGood = new LastGood(join(stateFolder, 'last-good'), log);
  return new DecapsulationKeeper({
    interface: decap.interface,
    sources: decap.sources,
    ...(decap.to === 'vips'
      ? { vips: () => firstVips(registry, lastGood, { clusterSecret }) }
      : {}),
    attach: async (vips) =>
      (await import('./host/decapsulation.js')).attachDecapsulation(decap, vips),
    log,
    onChange,
  });
}
