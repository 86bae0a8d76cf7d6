// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { PinFolder } from '../installation/pins.js';
import { vipPackets } from '../observe/vip-packets.js';

/**
 * Packets for VIPs that the pinned balancer has decided. Undefined where that cannot be told: none
 * is pinned, its pins are not whole, or another build made them.
 */
export function pinnedVipPackets(pinDir: string): number | undefined {
  try {
    const attached = new AttachedTables(new PinFolder(pinDir));
    const { ifindex, programId } = attached.link();
    // Its interface is gone, and no packet comes any more.
    if (ifindex === 0) return 0;
    const balancer = attached.open(programId);
    try {
      return vipPackets(balancer);
    } finally {
      balancer.close();
    }
  } catch (error) {
    if (error instanceof CidecarError && error.code === 'PIN_INVALID') return undefined;
    throw error;
  }
}
