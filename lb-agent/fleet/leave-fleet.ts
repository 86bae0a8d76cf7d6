// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { absent } from '../../registry/etcd/client/index.js';
import { leave } from '../../registry/etcd/fleet/index.js';
import { openEtcd } from '../../registry/etcd/index.js';

export interface LeaveOptions {
  readonly registry: string;
  readonly registryOptions?: string | undefined;
  readonly agent: string;
}

/** Throws what is wrong with the address and the options of a registry that hosts share. */
export function checkFleet({ registry, registryOptions }: Omit<LeaveOptions, 'agent'>): void {
  openEtcd(registry, { registryOptions }).client.close();
}

/**
 * Takes the keys of an agent that was detached: nobody waits for it any more.
 *
 * @throws CidecarError STATE_LOCKED where an agent of this name is alive
 */
export async function leaveFleet({
  registry,
  agent,
  registryOptions,
}: LeaveOptions): Promise<void> {
  const { client, keys } = openEtcd(registry, { registryOptions });
  try {
    const { held } = await client.kv.txn(
      { when: [absent(keys.liveAgent(agent))], success: leave(keys, agent) },
      { what: `removal of agent ${agent}`, repeatable: true },
    );
    if (held) return;
    throw new CidecarError(
      'STATE_LOCKED',
      `agent ${agent} is alive in the registry: was it stopped a moment ago, try again when its lease is over; else give the name of the one that was detached`,
    );
  } finally {
    client.close();
  }
}
