// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from '../test/netns/command.js';
import { nodeArgv } from '../test/netns/process.js';
import { Scope } from '../test/netns/scope.js';

export interface VethRow {
  readonly case: string;
  readonly perSecond: number;
  readonly packets: number;
  /** Frames that were sent and did not return. */
  readonly lost: number;
  /** Frames that went to another server than their CID names. */
  readonly astray: number;
}

/**
 * Sends frames over a veth pair, through the program at its far end and back, all on one CPU.
 * Most of the time is spent in veth, so compare the figures with those of plain XDP_TX. That no
 * frame is lost or goes to a wrong server has a meaning by itself.
 */
export async function benchVeth(): Promise<VethRow[]> {
  const scope = new Scope('cdcbench');
  try {
    const [namespace = ''] = await scope.addNamespaces(['veth']);
    await ipBatch(namespace, [
      'link add a0 type veth peer name b0',
      // So the host sends no frames on this link.
      ...['a0', 'b0'].map((name) => `link set ${name} arp off addrgenmode none`),
      'link set a0 up',
      'link set b0 up',
    ]);
    const output = await run(inNamespace(namespace, nodeArgv('bench/veth-main')));
    return JSON.parse(output) as VethRow[];
  } finally {
    await scope.dispose();
  }
}
