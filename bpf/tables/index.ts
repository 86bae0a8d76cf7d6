// SPDX-License-Identifier: Apache-2.0

export { Balancer, type LoadBalancerOptions } from './balancer.js';
export { type BalancerCapacity, estimate, type MapName } from './balancer-capacity.js';
export type { KernelConfig } from './cid-tables.js';
export type { Counter, Counters, ReasonCounters } from './counters.js';
export { type Clock, GRACE_MS, SYSTEM_CLOCK } from './grace-period.js';
export { wordsOf } from './id-words.js';
export { decodePlanMark } from './kernel-config.js';
export { buildRing, isPrime, type RingServer, ringSize, SMALLEST_RING } from './maglev.js';
export { addressOctets, addressText } from './mapped-address.js';
export { isSampled, type PacketEvent, readEvent } from './packet-event.js';
export { objectMark } from './pin-marks.js';
export {
  type NextHop,
  NO_MTU,
  type RealEncapsulation,
  type RealSpec,
  type RealState,
} from './real-encoding.js';
export { FIRST_REMARK, REASONS, type Reason, reasonName } from './reasons.js';
export { DEFAULT_SETTINGS, type Settings } from './settings.js';
export { rowsOfShape, serverIdRowsFor } from './table-shape.js';
export type { TunnelMtu } from './tunnel-mtu.js';
export type { VipKey, VipProtocol, VipSpec } from './vip-table.js';
