// SPDX-License-Identifier: Apache-2.0
import { FIRST_REMARK, REASONS, type Reason } from '../../bpf/tables/reasons.js';
import type { Status } from '../../lb-agent/observe/status.js';
import { inNamespace, run } from '../netns/command.js';
import type { Host } from '../netns/topology.js';

export type Outcomes = Partial<Record<Reason, number>>;

/** Packets by outcome, summed over all VIPs and what was for none. Each packet has one outcome. */
export function outcomesOf(status: Status): Outcomes {
  const sums: Outcomes = {};
  for (const counters of [status.other, ...status.vips.map((vip) => vip.counters)]) {
    for (const [name, counter] of Object.entries(counters)) {
      const reason = name as Reason;
      if (REASONS[reason] >= FIRST_REMARK) continue;
      sums[reason] = (sums[reason] ?? 0) + Number(counter.packets);
    }
  }
  return sums;
}

/** How many packets the driver of a host's eth0 gave to the program, by its own count. */
export async function packetsSeen(host: Host): Promise<number> {
  const statistics = await run(inNamespace(host.namespace, ['ethtool', '-S', 'eth0']));
  const counts = [...statistics.matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)];
  if (counts.length === 0) throw new Error(`no XDP statistics on ${host.name}`);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

export function total(outcomes: Outcomes): number {
  return Object.values(outcomes).reduce((sum, count) => sum + count, 0);
}
