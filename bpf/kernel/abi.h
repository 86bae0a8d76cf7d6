/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the packet program and user space agree on: the values of every map. User space
 * writes them through bpf/tables/layout.ts, which a test holds to this file.
 *
 * User space changes the tables while packets flow. Three rules keep every intermediate
 * state right, and each structure says which of them it obeys:
 *   publish   a structure is filled first and named last, by one aligned store of a word
 *             of 8 octets or less ("publish word"); its removal clears that word first, and
 *             the place is reused only after a grace period;
 *   word      a field that changes in place fits one aligned word and is stored whole;
 *   immutable all other fields of a published structure never change.
 * All multi-octet integers are in host order unless marked "network order".
 */
#ifndef CIDECAR_ABI_H
#define CIDECAR_ABI_H

#include <linux/types.h>

/* Identifies one direction of a flow. With IPv4 the second half of an address is 0. */
struct tuple {
	__u64 source[2]; /* IPv6: octets 0..7 and 8..15; IPv4: the 4 octets in the low half */
	__u64 destination[2];
	__u16 source_port; /* network order, as in the packet */
	__u16 destination_port;
	__u8 protocol;
	__u8 ipv6; /* 0 or 1 */
};

/* ---- VIPs: two-choice hash table of 64-byte buckets, one cache line each ---- */

#define VIP_SLOTS_PER_BUCKET 2

enum vip_flags {
	VIP_QUIC = 1 << 0, /* CIDs are read; without this flag the VIP is plain TCP or UDP */
	VIP_ADDRESS = 1 << 1, /* The slot is no VIP: it marks an address that some VIP has.
			       * Fragments and ICMP have no ports, so they are recognised by
			       * the address alone. Its protocol and port are 0. */
};

/* Rule: publish (vip), word (port to flags; vip; pool and ring, together 8 octets). */
struct vip_slot {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) */
	__u16 port; /* network order; 0 = every port */
	__u8 protocol; /* IPPROTO_UDP or IPPROTO_TCP */
	__u8 flags; /* enum vip_flags */
	__u32 vip; /* row of vip_stats; publish word: 0 = empty slot */
	__u32 pool; /* the VIP's configs are config_index[pool * 8 ..] */
	__u32 ring; /* first entry in rings; 0 = no server */
};

struct vip_bucket {
	struct vip_slot slots[VIP_SLOTS_PER_BUCKET];
};

/* ---- CID configs ---- */

#define CONFIGS_PER_POOL 8 /* one for each value of the first octet's top three bits */

/*
 * config_index[pool * 8 + bits] is the publish word of a config. It holds the number of a
 * row of configs, or 0 for none. A row is immutable while config_index names it. struct
 * cid_config is defined in cid_config.h.
 */

/* ---- Rings: one Maglev ring for each pool, all in one array of __u32 ---- */

/*
 * rings[first] holds the number of entries, and rings[first + 1 + i] the real of entry i.
 * Element 0 of the array stays 0, so that "no ring" reads as "ring of 0 entries".
 * Rule: word (an entry). A ring is therefore changed in place, entry by entry.
 */

/* ---- Reals ---- */

enum encap_kind {
	ENCAP_NONE = 0, /* not programmed: never a destination */
	ENCAP_IP4 = 1, /* outer IPv4: IPIP (RFC 2003), or 6in4 (RFC 4213) */
	ENCAP_IP6 = 2, /* outer IPv6 (RFC 2473) */
	ENCAP_GUE4 = 3, /* outer IPv4 + UDP, GUE variant 1 (draft-ietf-intarea-gue) */
	ENCAP_GUE6 = 4,
	ENCAP_L2 = 5, /* no outer header: the destination MAC is rewritten */
};

enum real_flags {
	REAL_DOWN = 1 << 0, /* takes no packet, neither by CID nor by flow */
};

#define REAL_OVERHEAD_SHIFT 1 /* the other bits: octets of the outer headers, 0..48 */

/*
 * One cache line. Real 0 stays unprogrammed, because a table entry that was never written
 * is 0 and must not lead to any server.
 * Rule: publish (kind, the first word), word (first word: next hop, down; checksum and mtu,
 * together 4 octets, of which only mtu changes), immutable (rest).
 */
struct real {
	__u8 next_hop[6]; /* destination MAC; all zero = the neighbour that sent the packet */
	__u8 kind; /* enum encap_kind */
	__u8 flags; /* enum real_flags, and the octets of the outer headers */
	__u8 source_mac[6]; /* of the interface `ifindex`; unused where next_hop is zero */
	__u16 incarnation; /* grows with each reuse of the index; a stored flow must match it */
	__u32 ifindex; /* 0 or the packet's ingress interface = XDP_TX, else redirect */
	__u16 checksum; /* of the constant part of an outer IPv4 header, see below */
	__u16 mtu; /* of the way to the server: octets of an IP packet with its outer header; the
		    * smaller of this and settings.mtu counts. 65535 = no limit of its own */
	__u8 outer[40]; /* template of the outer IP header; IPv4 in its first 20 octets */
};

/*
 * The template of an outer header holds version, header length, DF, TTL or hop limit, and
 * both addresses. TOS, length, protocol (next header), flow label and checksum are 0 in it,
 * and the packet program fills them in. ENCAP_L2 has no outer header; for it, user space
 * stores the server's address where an IPv6 header has its destination. `checksum` is the
 * one's complement sum of the template's 16-bit words, each read as a little-endian __u16,
 * without the two words of the source address.
 */

/* ---- Flows: a slice of buckets for each CPU ---- */

#define FLOWS_PER_BUCKET 4

/*
 * `stamp` is seconds of the coarse monotonic clock, shifted left by two; bit 0 says
 * "established" (a second packet was seen), bit 1 "TCP", which has its own timeout. Fresh
 * flows expire soon and may be displaced by other fresh flows. Established ones stay until
 * their timeout, but for those of a sender that has most of a bucket (flow_place.h), so a
 * flood of made-up addresses cannot evict them.
 */
struct flow {
	__u64 fingerprint; /* seeded hash of the 5-tuple, eight bits of the sender; 0 = free */
	__u32 stamp;
	__u16 real;
	__u16 incarnation; /* the real's, at the time the flow was placed */
};

struct flow_bucket {
	struct flow flows[FLOWS_PER_BUCKET];
};

/* ---- Counters ---- */

struct counter {
	__u64 packets;
	__u64 octets; /* of the packet as received, Ethernet header included */
};

#define REASONS_MAX 64 /* enum reason is in reason.h */

/* Row 0 counts the packets that belong to no VIP. */
struct vip_stats {
	struct counter by_reason[REASONS_MAX];
};

/* ---- Events: records of sampled packets in the ring buffer ---- */

#define EVENT_CID_OCTETS 20

/*
 * Addresses are written as in vip_slot. Addresses, ports and protocol are the packet's own,
 * except for an ICMP error, where they are those of the quoted flow.
 */
struct event {
	__u64 timestamp; /* ns of CLOCK_MONOTONIC, to the precision of a tick */
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port; /* network order; 0 where there is none */
	__u16 destination_port;
	__u8 protocol;
	__u8 reason; /* enum reason: the outcome */
	__u8 remark; /* enum reason: why the CID did not decide; 0 = no remark */
	__u8 cid_length; /* by the packet's account, at most 255; only 20 are copied */
	__u32 vip; /* row of vip_stats */
	__u32 real; /* index; 0 = not sent to a server */
	__u32 octets; /* of the packet as received */
	__u8 cid[EVENT_CID_OCTETS]; /* the DCID, or what follows a short header's first octet */
};

/* ---- What routers said of the way to a server; written by the packet program ---- */

#define TUNNEL_MTU_ROWS 64

/*
 * The last "too big" about a tunnel packet to `server`, in the row that a hash of its address
 * names; another server's takes its place. Anybody can forge one, so it is a reason to look,
 * and counts only for addresses that are servers'. A row is not written in one step.
 */
struct tunnel_mtu {
	__u8 server[16]; /* the outer destination; IPv4 as ::ffff:a.b.c.d; all zero = no row */
	__u32 mtu; /* octets of the outer packet, as the router says */
	__u32 seconds; /* of the coarse monotonic clock, when it came */
	__u64 packets; /* such errors since the row is this server's */
};

/* ---- What a CPU keeps to itself; user space never writes it ---- */

/* At most so many a second: a counter that starts over with each second of the clock. */
struct rate {
	__u32 second;
	__u32 used;
};

#define RATE_SOURCES 64

/* A rate of which no sender has more than a share; senders are told apart by a hash. */
struct shared_rate {
	struct rate total;
	struct rate by_source[RATE_SOURCES];
};

struct cpu_state {
	__u64 until_sample; /* packets left until the next sample */
	struct rate events;
	struct shared_rate too_big;
	struct shared_rate icmp_errors;
	struct tuple quoted; /* by the ICMP error at hand: of the client's packets */
};

/* ---- Settings: the section .data.settings, changed in place ---- */

/* Rule: word (each field). */
struct settings {
	__u64 hash_seed; /* the same on every balancer, or their rings disagree */
	__u64 sample_every; /* 0 = no events; else one packet in so many, per CPU */
	__u32 events_per_second; /* per CPU, an upper bound on sampled events */
	__u32 ingress_mtu; /* of the link from the clients: octets of an IP packet; 65535 = not known */
	__u32 vip_bucket_mask; /* buckets of vip_table - 1, a power of two - 1 */
	__u32 flow_bucket_mask; /* buckets of one CPU's slice - 1, a power of two - 1 */
	__u32 fresh_seconds; /* timeout of a flow of one packet */
	__u32 udp_seconds; /* idle timeout of an established UDP flow */
	__u32 tcp_seconds; /* idle timeout of an established TCP flow */
	__u32 source_mask; /* network order: bits of the outer IPv4 source that carry entropy */
	__u32 mtu; /* of the link towards the reals: octets of an IP packet with its outer header;
		    * at most 65535, which means no limit */
	__u32 icmp_per_second; /* per CPU, an upper bound on "too big" answers */
	__u16 gue_port; /* network order */
	__u16 reserved;
	__u32 icmp_errors_per_second; /* per CPU, an upper bound on ICMP errors sent on to servers */
};

#endif
