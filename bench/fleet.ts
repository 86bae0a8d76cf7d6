// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from '../test/netns/command.js';
import { nodeArgv } from '../test/netns/process.js';
import { Scope } from '../test/netns/scope.js';

export interface FleetRow {
  readonly case: string;
  readonly value: number;
  readonly unit: 'ms' | 'ms/s' | 'MB' | 'octets' | 'keys';
}

/**
 * Measures a fleet on a registry in etcd: three members, data on tmpfs, and all hosts of it in one
 * process. This happens in a namespace, which has the interface of the one agent with a kernel.
 */
export async function benchFleet(): Promise<FleetRow[]> {
  const scope = new Scope('cdcfleet');
  try {
    const [namespace = ''] = await scope.addNamespaces(['lb']);
    await ipBatch(namespace, [
      'link set lo up',
      'link add eth0 type veth peer name peer0',
      'addr add 192.0.2.1/24 dev eth0',
      'link set eth0 up',
      'link set peer0 up',
      'link add eth1 type veth peer name peer1',
      'addr add 192.0.2.2/24 dev eth1',
      'link set eth1 up',
      'link set peer1 up',
    ]);
    const args = [scope.pinFolder('lb'), scope.path('fleet')];
    const output = await run(inNamespace(namespace, [...nodeArgv('bench/fleet-main'), ...args]));
    return JSON.parse(output) as FleetRow[];
  } finally {
    await scope.dispose();
  }
}
