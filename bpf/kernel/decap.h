/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the decapsulating program and user space agree on. As it is loaded, the program
 * unwraps tunnels from everywhere to every inner destination. That is for networks where
 * nobody else can send such packets: anybody who can reaches every address of the server,
 * with any source. Both lists may be changed while packets flow, entry by entry.
 */
#ifndef CIDECAR_DECAP_H
#define CIDECAR_DECAP_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Every packet has exactly one reason. Append new ones, and never renumber. */
enum decap_reason {
	DECAP_NOT_TUNNEL = 0, /* passed untouched */
	DECAP_IP4_IN_IP4 = 1, /* unwrapped and passed; so are reasons 2 to 6 */
	DECAP_IP6_IN_IP4 = 2,
	DECAP_IP4_IN_IP6 = 3,
	DECAP_IP6_IN_IP6 = 4,
	DECAP_GUE_IP4 = 5, /* outer IPv4 + UDP */
	DECAP_GUE_IP6 = 6,
	DECAP_FRAGMENT = 7, /* dropped: a fragment of a tunnel; balancers never send them */
	DECAP_MALFORMED = 8, /* dropped: an outer or inner header that contradicts itself */
	DECAP_SOURCE_REFUSED = 9, /* dropped: the outer source is not on the list */
	DECAP_NOT_VIP = 10, /* dropped: the inner destination is not on the list */
	DECAP_CONGESTION = 11, /* dropped: CE outside, no ECN inside (RFC 6040 section 4.2) */
	DECAP_NO_ROOM = 12, /* dropped: the driver refused to move the packet's head */
};

#define DECAP_REASONS_MAX 16

struct decap_prefix {
	__u32 length; /* bits, of the mapped form: 96 + n for IPv4 */
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct decap_vip {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct decap_settings {
	__u32 check_sources; /* 0: decap_sources is not asked; else: prefixes that may send tunnels */
	__u32 check_vips; /* 0: decap_vips is not asked; else: inner destinations that are ours. To
			   * be set after the list is filled: with an empty one nothing is unwrapped */
	__u16 gue_port; /* network order; 0 = no GUE */
	__u16 reserved[3];
};

struct decap_settings decap_settings SEC(".data.decap") = {
	.gue_port = bpf_htons(6080), /* the port that IANA assigned to GUE */
};

/* The keys of the next two maps form sets; their values mean nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct decap_prefix);
	__type(value, __u32);
} decap_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct decap_vip);
	__type(value, __u32);
} decap_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_REASONS_MAX);
	__type(key, __u32);
	__type(value, struct counter);
} decap_stats SEC(".maps");

#endif
