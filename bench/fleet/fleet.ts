// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { inNamespace, ipBatch } from '../../test/netns/command.js';
import { nodeArgv } from '../../test/netns/process.js';
import { Scope } from '../../test/netns/scope.js';
import type { FleetReport } from './row.js';
import { INTERFACES } from './world.js';

/**
 * Measures a fleet on a registry in etcd: three members, data on tmpfs. This happens in a
 * namespace, which has the interfaces of the agents that run as processes of their own. Rows are
 * also written to standard error as they come.
 *
 * @param parts names of parts (main.ts); all, if left out
 */
export async function benchFleet(parts: readonly string[] = []): Promise<FleetReport> {
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
    const args = [scope.pinFolder('lb'), scope.path('fleet'), ...parts];
    const argv = inNamespace(namespace, [...nodeArgv('bench/fleet/main'), ...args]);
    return JSON.parse(await outputOf(argv)) as FleetReport;
  } finally {
    await scope.dispose();
  }
}

/** Standard output of a program that ends well; its standard error is that of this one. */
async function outputOf([program = '', ...args]: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the program that measures the fleet ended with ${code}`));
    });
  });
  const [output] = await Promise.all([text(child.stdout), ended]);
  return output;
}
