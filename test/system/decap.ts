// SPDX-License-Identifier: Apache-2.0
import { objectPath } from '../../bpf/binding/index.js';
import { ipBatch } from '../netns/command.js';
import type { Host } from '../netns/topology.js';

export function passObject(): string {
  return objectPath('pass');
}

/** Loads the decapsulating program on a server host, as a host without a sidecar would. */
export async function attachDecap(host: Host): Promise<void> {
  await ipBatch(host.namespace, [`link set dev eth0 xdpdrv obj ${objectPath('decap')} sec xdp`]);
}
