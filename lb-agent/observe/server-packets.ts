// SPDX-License-Identifier: Apache-2.0
import type { Balancer } from '../../bpf/tables/index.js';
import { quietServer } from '../../registry/etcd/fleet/index.js';
import type { AgentRecord } from '../reconcile/record.js';

/** Packets that were sent to each server since the tables began, by the name that they have. */
export function serverPackets(
  balancer: Pick<Balancer, 'counters'> | undefined,
  record: AgentRecord | undefined,
): Map<string, number> {
  const packets = new Map<string, number>();
  if (balancer === undefined || record === undefined) return packets;
  const { reals } = balancer.counters();
  for (const { pool, name, real } of record.servers) {
    packets.set(quietServer(pool, name), reals.get(real)?.packets ?? 0);
  }
  return packets;
}
