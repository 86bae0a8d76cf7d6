// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from '../../test/netns/command.js';
import { nodeArgv } from '../../test/netns/process.js';
import { Scope } from '../../test/netns/scope.js';

export interface FleetRow {
  readonly case: string;
  readonly value: number;
  readonly unit: 'ms' | 'ms/s' | 'MB' | 'octets' | 'keys' | 'IDs';
}

/** Interfaces of the agents that have a kernel: two of each fleet, one for a million IDs. */
const INTERFACES = 5;

/**
 * Measures a fleet on a registry in etcd: three members, data on tmpfs. This happens in a
 * namespace, which has the interfaces of the agents that run as processes of their own.
 */
export async function benchFleet(): Promise<FleetRow[]> {
  const scope = new Scope('cdcfleet');
  try {
    const [namespace = ''] = await scope.addNamespaces(['lb']);
    const interfaces = Array.from({ length: INTERFACES }, (_, at) => [
      `link add eth${at} type veth peer name peer${at}`,
      `addr add 192.0.2.${at + 1}/24 dev eth${at}`,
      `link set eth${at} up`,
      `link set peer${at} up`,
    ]);
    await ipBatch(namespace, ['link set lo up', ...interfaces.flat()]);
    const args = [scope.pinFolder('lb'), scope.path('fleet')];
    const output = await run(inNamespace(namespace, [...nodeArgv('bench/fleet/main'), ...args]));
    return JSON.parse(output) as FleetRow[];
  } finally {
    await scope.dispose();
  }
}
