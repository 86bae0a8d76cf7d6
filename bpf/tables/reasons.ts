// SPDX-License-Identifier: Apache-2.0
/** The names of enum reason in bpf/kernel/reason.h in lower case. A test compares them. */
export const REASONS = {
  not_ip: 0,
  unreadable: 1,
  not_vip: 2,
  not_vip_fragment: 3,
  vip_icmp: 4,
  cid: 5,
  flow: 6,
  ring: 7,
  icmp_cid: 8,
  icmp_flow: 9,
  icmp_ring: 10,
  too_big_answered: 11,
  fragment_first: 12,
  fragment_later: 13,
  malformed: 14,
  no_server: 15,
  ttl_expired: 16,
  too_big_fragmentable: 17,
  too_big_unanswered: 18,
  too_big_icmp: 19,
  no_headroom: 20,
  not_unicast: 21,
  too_big_offloaded: 22,
  icmp_mtu_too_small: 23,
  icmp_over_rate: 24,
  fragment_passed: 25,
  tunnel_too_big: 26,
  cid_empty: 32,
  cid_failover: 33,
  cid_unknown_config: 34,
  cid_too_short: 35,
  cid_unknown_server_id: 36,
  cid_real_unprogrammed: 37,
  cid_server_down: 38,
  quic_truncated: 39,
  flow_stale: 40,
  flow_expired: 41,
  flow_unremembered: 42,
  icmp_not_quoted: 43,
  event_lost: 44,
  short_header_cid_failover: 45,
  short_header_cid_unknown_config: 46,
  short_header_cid_too_short: 47,
  short_header_cid_unknown_server_id: 48,
  short_header_cid_real_unprogrammed: 49,
  short_header_cid_server_down: 50,
  flow_displaced_fresh: 51,
  flow_displaced_established: 52,
  config_0: 56,
  config_1: 57,
  config_2: 58,
  config_3: 59,
  config_4: 60,
  config_5: 61,
  config_6: 62,
  config_7: 63,
} as const;

export type Reason = keyof typeof REASONS;

/** Lower numbers are outcomes, of which every packet has exactly one; the others are remarks. */
export const FIRST_REMARK = 32;

const NAMES: ReadonlyMap<number, Reason> = new Map(
  Object.entries(REASONS).map(([name, number]) => [number, name as Reason]),
);

/** undefined for a number that only a newer program knows. */
export function reasonName(number: number): Reason | undefined {
  return NAMES.get(number);
}
