// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { CidecarError } from '../../core/index.js';
import { knownIdentityIn } from '../../daemon/identity.js';
import { AnnouncedFile } from '../announcing/announced-file.js';
import { QUIET_MS, untilQuiet } from '../announcing/quiet.js';
import { WithdrawOrderFile } from '../announcing/withdraw-order.js';
import { checkFleet, leaveFleet } from '../fleet/leave-fleet.js';
import { placeOf } from '../fleet/machine.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { agentName, type DetachOptions, stateFile } from '../options.js';
import { pinnedVipPackets } from './pinned-packets.js';

/** Milliseconds for which packets may still come; one that is still on its way is none too many. */
const PACKETS_LIMIT_MS = 3_000;

/**
 * Takes the balancer away, and then its acknowledgement: while it routes, others rely on that. A
 * second call does what is left, where the registry could not be told.
 *
 * @throws CidecarError STATE_LOCKED while an agent runs, PIN_INVALID where there is nothing,
 * STEP_REFUSED while it is announced or packets come, unless that is forced
 */
export async function detach(options: DetachOptions): Promise<void> {
  const { registry } = options;
  const agent = registry === undefined ? '' : agentName(options);
  // What cannot be told in the end is found out before anything is taken away.
  if (registry !== undefined) checkFleet({ ...options, registry });
  const identity =
    registry === undefined ? undefined : await knownIdentityIn(dirname(stateFile(options)));
  const place = placeOf(options.pinDir);
  await detachBalancer(options);
  if (registry === undefined) return;
  await leaveFleet({ ...options, registry, agent, identity, place });
}

async function detachBalancer(options: DetachOptions): Promise<void> {
  const pins = new PinFolder(options.pinDir);
  if (!pins.exists()) {
    if (options.registry !== undefined) return;
    throw new CidecarError('PIN_INVALID', 'nothing is pinned here', { file: pins.path });
  }
  const lock = await AgentLock.acquire(options.pinDir);
  try {
    if (!options.force) await requireUnused(options);
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
    new AnnouncedFile(stateFile(options)).remove();
    new WithdrawOrderFile(stateFile(options)).remove();
  } finally {
    await lock.release();
  }
}

/** What is taken away while packets come is lost with them. */
async function requireUnused(options: DetachOptions): Promise<void> {
  if (new AnnouncedFile(stateFile(options)).read()?.announce === true) {
    throw new CidecarError(
      'STEP_REFUSED',
      'the announce hook was told last that packets may come here: start the agent and run `lb-agent withdraw`, stop it with --on-stop withdraw, or give --force',
    );
  }
  const packets = pinnedVipPackets(options.pinDir);
  if (packets === undefined) {
    process.stderr.write('lb-agent: whether packets still come cannot be told of these pins\n');
    return;
  }
  const of = () => pinnedVipPackets(options.pinDir) ?? packets;
  const quiet = await untilQuiet({ packets: of, quietMs: QUIET_MS, limitMs: PACKETS_LIMIT_MS });
  if (quiet) return;
  throw new CidecarError(
    'STEP_REFUSED',
    'packets for its VIPs still come, and would be lost: withdraw this host from the router first, or give --force',
  );
}
