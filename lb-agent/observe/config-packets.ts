// SPDX-License-Identifier: Apache-2.0
import type { Balancer, Reason } from '../../bpf/tables/index.js';
import type { AgentRecord } from '../reconcile/record.js';

type Counting = Pick<Balancer, 'vips' | 'counters'>;

/**
 * Packets that were routed by CIDs of each config since the tables began, by `<pool>/<config>`,
 * over all VIPs of the pool.
 */
export function configPackets(
  balancer: Counting | undefined,
  record: AgentRecord | undefined,
): Map<string, number> {
  const packets = new Map<string, number>();
  if (balancer === undefined || record === undefined) return packets;
  const names = new Map(record.pools.map(({ name, index }) => [index, name]));
  const { vips } = balancer.counters();
  // Ports of one VIP can share a row of counters.
  const counted = new Set<number>();
  for (const { vip, pool } of balancer.vips()) {
    const name = names.get(pool);
    if (name === undefined || counted.has(vip)) continue;
    counted.add(vip);
    const counters = vips.get(vip) ?? {};
    for (let config = 0; config < 7; config += 1) {
      const found = counters[`config_${config}` as Reason]?.packets ?? 0;
      const key = `${name}/${config}`;
      if (found > 0) packets.set(key, (packets.get(key) ?? 0) + found);
    }
  }
  return packets;
}
