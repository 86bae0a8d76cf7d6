// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from '../test/netns/command.js';
import { nodeArgv } from '../test/netns/process.js';
import { Scope } from '../test/netns/scope.js';

export interface VethRow {
  readonly case: string;
  readonly perSecond: number;
  readonly packets: number;
  /** Sent, and never seen again. */
  readonly lost: number;
  /** Seen at another server than the one that their CID names. */
  readonly astray: number;
}

/**
 * Frames over a veth pair, through the program at its far end and back, all on one CPU. What
 * veth itself costs is most of it, so the figures mean something beside plain XDP_TX only;
 * that nothing is lost and nothing goes astray means something by itself.
 */
export async function benchVeth(): Promise<VethRow[]> {
  const scope = new Scope('cdcbench');
  try {
    const [namespace = ''] = await scope.addNamespaces(['veth']);
    await ipBatch(namespace, [
      'link add a0 type veth peer name b0',
      // No frame of the host's own among ours.
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
