// SPDX-License-Identifier: Apache-2.0
import { type Balancer, FIRST_REMARK, REASONS, type Reason } from '../../bpf/tables/index.js';

/** How many packets for VIPs the balancer has decided; 0 where there is no balancer. */
export function vipPackets(balancer: Balancer | undefined): number {
  let packets = 0;
  for (const [vip, counters] of balancer?.counters().vips ?? []) {
    if (vip === 0) continue; // Of no VIP.
    for (const [reason, counter] of Object.entries(counters)) {
      // Each packet has one outcome; remarks come on top.
      if (REASONS[reason as Reason] < FIRST_REMARK) packets += counter.packets;
    }
  }
  return packets;
}
