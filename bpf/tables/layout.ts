// SPDX-License-Identifier: Apache-2.0
/**
 * Sizes and offsets, in octets, of the structures of bpf/kernel/abi.h and cid_config.h. A test
 * compares them with what a C compiler makes of those headers. Every export here goes into
 * ABI_MARK: with another layout, another build cannot read the pinned tables.
 */

export const VIP_BUCKET = { size: 64, slots: 2 } as const;
export const VIP_SLOT = {
  size: 32,
  address: 0,
  port: 16,
  protocol: 18,
  flags: 19,
  vip: 20,
  pool: 24,
  ring: 28,
} as const;
export const VIP_QUIC = 1;
export const VIP_ADDRESS = 2;

export const CONFIGS_PER_POOL = 8;
export const CID_CONFIG = {
  size: 384,
  kind: 0,
  table: 1,
  minimum_length: 2,
  shift: 3,
  passes: 4,
  columns: 5,
  right_shift: 6,
  merge_shift: 7,
  table_base: 8,
  table_size: 12,
  id_mask_hi: 16,
  id_mask_lo: 24,
  tag_hi: 32,
  tag_lo: 40,
  zero_reserved: 48,
  left_mask: 64,
  right_mask: 80,
  first_round: 96,
  round_keys: 160,
} as const;
export const CID_KIND = { extract: 1, 'single-pass': 2, 'four-pass': 3 } as const;
export const SERVER_ID_TABLE = { dense: 1, exact: 2, wide: 3 } as const;
export const SERVER_ID_ROW = { size: 64 } as const;

export const REAL = {
  size: 64,
  next_hop: 0,
  kind: 6,
  flags: 7,
  source_mac: 8,
  incarnation: 14,
  ifindex: 16,
  checksum: 20,
  mtu: 22,
  outer: 24,
} as const;
export const ENCAP = { none: 0, ip4: 1, ip6: 2, gue4: 3, gue6: 4, l2: 5 } as const;
export const REAL_DOWN = 1;
/** The bits of `flags` from this one on hold the octets of the outer headers. */
export const REAL_OVERHEAD_SHIFT = 1;

export const FLOW_BUCKET = { size: 64, flows: 4 } as const;

export const COUNTER = { size: 16, packets: 0, octets: 8 } as const;
export const REASONS_MAX = 64;
export const VIP_STATS = { size: 1024 } as const;

export const SETTINGS = {
  size: 64,
  hash_seed: 0,
  sample_every: 8,
  events_per_second: 16,
  ingress_mtu: 20,
  vip_bucket_mask: 24,
  flow_bucket_mask: 28,
  fresh_seconds: 32,
  udp_seconds: 36,
  tcp_seconds: 40,
  source_mask: 44,
  mtu: 48,
  icmp_per_second: 52,
  gue_port: 56,
  icmp_errors_per_second: 60,
} as const;

export const TUNNEL_MTU = { size: 32, server: 0, mtu: 16, seconds: 20, packets: 24 } as const;
export const TUNNEL_MTU_ROWS = 64;

export const EVENT = {
  size: 80,
  timestamp: 0,
  source: 8,
  destination: 24,
  source_port: 40,
  destination_port: 42,
  protocol: 44,
  reason: 45,
  remark: 46,
  cid_length: 47,
  vip: 48,
  real: 52,
  octets: 56,
  cid: 60,
  cid_octets: 20,
} as const;
