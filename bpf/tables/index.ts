// SPDX-License-Identifier: Apache-2.0
export { objectMark } from './abi.js';
export { addressOctets, addressText } from './address.js';
export { Balancer, type LoadBalancerOptions } from './balancer.js';
export { type BalancerCapacity, estimate, type MapName } from './capacity.js';
export type { ConfigState } from './cid-tables.js';
export { planMark } from './config.js';
export type { Counter, Counters, ReasonCounters } from './counters.js';
export { isSampled, type PacketEvent, readEvent } from './event.js';
export { type Clock, GRACE_MS, SYSTEM_CLOCK } from './grace.js';
export type { NextHop, RealEncapsulation, RealSpec, RealState } from './real.js';
export { FIRST_REMARK, REASONS, type Reason, reasonName } from './reasons.js';
export { buildRing, isPrime, type RingServer, ringSize, SMALLEST_RING } from './ring.js';
export { DEFAULT_SETTINGS, type Settings } from './settings.js';
export { serverIdRowsFor } from './table-shape.js';
export type { TunnelMtu } from './tunnel-mtu.js';
export type { VipKey, VipProtocol, VipSpec } from './vip-table.js';
