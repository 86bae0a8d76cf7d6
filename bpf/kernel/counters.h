/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Each VIP has one per-CPU row, which is looked up once for a packet: before Linux 6.10 each
 * such lookup is a call.
 */
#ifndef CIDECAR_COUNTERS_H
#define CIDECAR_COUNTERS_H

#include "maps.h"
#include "reason.h"

static __always_inline void counter_add(struct counter *counter, __u32 octets)
{
	counter->packets++;
	counter->octets += octets;
}

static __always_inline void count(struct vip_stats *stats, __u32 reason, __u32 octets)
{
	counter_add(&stats->by_reason[reason & (REASONS_MAX - 1)], octets);
}

/* Counts a packet that belongs to no VIP. */
static __always_inline void count_other(__u32 reason, __u32 octets)
{
	__u32 row = 0;
	struct vip_stats *stats = bpf_map_lookup_elem(&vip_stats, &row);

	if (stats)
		count(stats, reason, octets);
}

static __always_inline void count_real(__u32 index, __u32 octets)
{
	struct counter *counter = bpf_map_lookup_elem(&real_stats, &index);

	if (counter)
		counter_add(counter, octets);
}

#endif
