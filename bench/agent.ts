// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from '../test/netns/command.js';
import { nodeArgv } from '../test/netns/process.js';
import { Scope } from '../test/netns/scope.js';

export interface AgentRow {
  readonly case: string;
  readonly milliseconds: number;
}

/**
 * Measures how long the agent takes from a parsed document to the kernel: a cold start with a
 * million IDs, which ends with the attachment, and then changes of a thousand of them. This
 * happens in another process, because a process has one network namespace.
 */
export async function benchAgent(): Promise<AgentRow[]> {
  const scope = new Scope('cdcbench');
  try {
    const [namespace = ''] = await scope.addNamespaces(['lb']);
    await ipBatch(namespace, [
      'link add eth0 type veth peer name peer0',
      'addr add 192.0.2.1/24 dev eth0',
      'link set eth0 up',
      'link set peer0 up',
      // Probes of health checks go nowhere, by way of the interface.
      'neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent',
      'route add default via 192.0.2.2',
    ]);
    const args = [scope.pinFolder('lb'), scope.path('state.json')];
    const output = await run(inNamespace(namespace, [...nodeArgv('bench/agent-main'), ...args]));
    return JSON.parse(output) as AgentRow[];
  } finally {
    await scope.dispose();
  }
}
