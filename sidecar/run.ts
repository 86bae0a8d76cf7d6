// SPDX-License-Identifier: Apache-2.0
import { createLog } from '../daemon/log.js';
import { warnOfOldNames } from '../daemon/options/old-names.js';
import { openRegistry, type Watch } from '../registry/index.js';
import { Daemon } from './daemon.js';
import { followVips, vipsOf } from './host/decap-vips.js';
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
  let vipWatch: Watch | undefined;
  const start = async () => {
    if (options.decap !== undefined) {
      const { attachDecapsulation } = await import('./host/decapsulation.js');
      if (stopping) return;
      const { to } = options.decap;
      const vips = to === 'vips' ? vipsOf(await registry.read()) : undefined;
      const attached = await attachDecapsulation(options.decap, vips);
      decapsulation = attached;
      if (vips !== undefined) {
        // Apart from the daemon's, which begins to follow later.
        vipWatch = await followVips(openRegistry(options.registry), {
          allow: (more) => attached.allowVips(more),
          onError: (error) => log.error({ error }, 'tunnels to a new VIP are not unwrapped'),
        });
      }
    }
    await daemon.start();
  };
  // A signal during the start ends it: what has begun by then is let go of by stop().
  await Promise.race([start(), stopped]);
  await stopped;
  await vipWatch?.close();
  decapsulation?.close();
  await daemon.stop();
}
