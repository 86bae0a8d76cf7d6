// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { CidecarError } from '../../core/index.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { type OtherOptions, stateFile } from '../options.js';

/** @throws CidecarError STATE_LOCKED while an agent runs, PIN_INVALID where there is nothing */
export async function detach(options: OtherOptions): Promise<void> {
  const pins = new PinFolder(options.pinDir);
  if (!pins.exists()) {
    throw new CidecarError('PIN_INVALID', 'nothing is pinned here', { file: pins.path });
  }
  const lock = await AgentLock.acquire(options.pinDir);
  try {
    const link = pins.openLink();
    if (link !== undefined) {
      if (link.info().ifindex !== 0) link.detach();
      link.close();
    }
    pins.remove();
    rmSync(stateFile(options), { force: true });
    // It holds keys, which nothing here needs any more.
    rmSync(`${stateFile(options)}.last-good`, { force: true });
  } finally {
    await lock.release();
  }
}
