// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { CidecarError } from '../../core/index.js';
import { knownIdentityIn } from '../../daemon/identity.js';
import { checkFleet, leaveFleet } from '../fleet/leave-fleet.js';
import { machineAndPins } from '../fleet/machine.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { agentName, type DetachOptions, stateFile } from '../options.js';

/**
 * Takes the balancer away, and then its acknowledgement: while it routes, others rely on that. A
 * second call does what is left, where the registry could not be told.
 *
 * @throws CidecarError STATE_LOCKED while an agent runs, PIN_INVALID where there is nothing
 */
export async function detach(options: DetachOptions): Promise<void> {
  const { registry } = options;
  const agent = registry === undefined ? '' : agentName(options);
  // What cannot be told in the end is found out before anything is taken away.
  if (registry !== undefined) checkFleet({ ...options, registry });
  const identity =
    registry === undefined ? undefined : await knownIdentityIn(dirname(stateFile(options)));
  await detachBalancer(options);
  if (registry === undefined) return;
  const machine = machineAndPins(options.pinDir);
  await leaveFleet({ ...options, registry, agent, identity, machine });
}

async function detachBalancer(options: DetachOptions): Promise<void> {
  const pins = new PinFolder(options.pinDir);
  if (!pins.exists()) {
    if (options.registry !== undefined) return;
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
    rmSync(`${stateFile(options)}.health`, { force: true });
    rmSync(`${stateFile(options)}.last-good`, { force: true });
    rmSync(`${stateFile(options)}.last-good.journal`, { force: true });
    rmSync(`${stateFile(options)}.fleet`, { force: true });
  } finally {
    await lock.release();
  }
}
