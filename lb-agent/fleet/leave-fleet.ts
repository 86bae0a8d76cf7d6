// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { absent, unchanged } from '../../registry/etcd/client/index.js';
import { isNameOfAnother, leave } from '../../registry/etcd/fleet/index.js';
import { openEtcd } from '../../registry/etcd/index.js';
import type { AgentNameValue } from '../../registry/etcd/layout/index.js';
import type { Place } from './machine.js';
import { readOwnRecord } from './own-record.js';

export interface LeaveOptions {
  readonly registry: string;
  readonly registryOptions?: string | undefined;
  readonly agent: string;
  /** Of the state folder of the agent that was detached; undefined where it has none. */
  readonly identity: string | undefined;
  readonly place: Place;
}

/** Throws what is wrong with the address and the options of a registry that hosts share. */
export function checkFleet({
  registry,
  registryOptions,
}: Pick<LeaveOptions, 'registry' | 'registryOptions'>): void {
  openEtcd(registry, { registryOptions }).client.close();
}

/**
 * Takes the keys of an agent that was detached: nobody waits for it any more.
 *
 * @throws CidecarError STATE_LOCKED where an agent of this name is alive, or is another one
 */
export async function leaveFleet(options: LeaveOptions): Promise<void> {
  const { registry, registryOptions, agent } = options;
  const { client, keys } = openEtcd(registry, { registryOptions });
  try {
    const { name } = await readOwnRecord(client, keys, agent);
    if (name.value !== undefined) requireOwn(name.value, options);
    const { held } = await client.kv.txn(
      {
        when: [absent(keys.liveAgent(agent)), unchanged(keys.agentName(agent), name.modRevision)],
        success: leave(keys, agent),
      },
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

/** ACK_OWNER: another agent of the name routes on, and has to be waited for. */
function requireOwn(owner: AgentNameValue, { agent, identity = '', place }: LeaveOptions): void {
  if (!isNameOfAnother(owner, { identity, ...place, host: '' })) return;
  throw new CidecarError(
    'STATE_LOCKED',
    `agent ${agent} in the registry is that of host ${owner.host}, and not the one that was detached: give the name of that, or its state folder. cidctl agents count-out ${agent} removes one that is gone for good`,
  );
}
