// SPDX-License-Identifier: Apache-2.0
/**
 * Sizes and offsets, in octets, of the structures of bpf/kernel/decap.h. A test compares them
 * with what a C compiler makes of that header. They stand apart from layout.ts, because they say
 * nothing about the tables of the balancer and must not go into its mark.
 */

/** The section .data.decap. */
export const DECAP_SETTINGS = { size: 16, check_sources: 0, check_vips: 4, gue_port: 8 } as const;

/** What the rows of the map `decap_stats` count, in the order of enum decap_reason. */
export const DECAP_REASONS = [
  'not_tunnel',
  'ip4_in_ip4',
  'ip6_in_ip4',
  'ip4_in_ip6',
  'ip6_in_ip6',
  'gue_ip4',
  'gue_ip6',
  'fragment',
  'malformed',
  'source_refused',
  'not_vip',
  'congestion',
  'no_room',
] as const;

export type DecapReason = (typeof DECAP_REASONS)[number];

/** A key of the map `decap_sources`. */
export const DECAP_PREFIX = { size: 20, length: 0, address: 4 } as const;

/** A key of the map `decap_vips`. */
export const DECAP_VIP = { size: 16, address: 0 } as const;
