/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Remembers which server a flow without a routable CID went to, so that the flow stays there
 * when the ring changes. Each CPU has a slice of the table to itself, so there are no locks
 * and no state that a flood could make the CPUs fight over. When a flow moves to another CPU,
 * the ring chooses its server anew.
 *
 * A flow is fresh with its first packet and established with its second. Where it may be
 * remembered is decided in flow_place.h.
 */
#ifndef CIDECAR_FLOW_H
#define CIDECAR_FLOW_H

#include <linux/in.h>
#include <stdbool.h>

#include "hash.h"
#include "maps.h"

#define FLOW_ESTABLISHED 1U
#define FLOW_TCP 2U
#define FLOW_SECONDS_SHIFT 2
#define NANOSECONDS_PER_SECOND 1000000000ULL

static __always_inline __u32 flow_clock(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() / NANOSECONDS_PER_SECOND);
}

/* A bucket of this CPU. NULL where the slice is too small. */
static __always_inline struct flow_bucket *flow_bucket(__u32 index)
{
	__u32 key = bpf_get_smp_processor_id() * (settings.flow_bucket_mask + 1) + index;

	return bpf_map_lookup_elem(&flows, &key);
}

/* It goes by the stamp, because flow_place does not know which protocol the flow has. */
static __always_inline __u32 flow_timeout(const struct flow *flow)
{
	if (!(flow->stamp & FLOW_ESTABLISHED))
		return settings.fresh_seconds;
	return flow->stamp & FLOW_TCP ? settings.tcp_seconds : settings.udp_seconds;
}

/* In seconds. The stamp has 30 bits for them, so the difference is taken modulo 2^30. */
static __always_inline __u32 flow_idle(const struct flow *flow, __u32 now)
{
	return (now - (flow->stamp >> FLOW_SECONDS_SHIFT)) & 0x3fffffff;
}

static __always_inline bool flow_expired(const struct flow *flow, __u32 now)
{
	return flow_idle(flow, now) > flow_timeout(flow);
}

static __always_inline struct flow *flow_find(struct flow_bucket *bucket, __u64 fingerprint)
{
	int i;

#pragma unroll
	for (i = 0; i < FLOWS_PER_BUCKET; i++)
		if (bucket->flows[i].fingerprint == fingerprint)
			return &bucket->flows[i];
	return NULL;
}

/* Marks the flow as seen now. Writes only what changes, to leave the cache line clean. */
static __always_inline void flow_touch(struct flow *flow, __u32 now)
{
	__u32 stamp = now << FLOW_SECONDS_SHIFT | (flow->stamp & FLOW_TCP) | FLOW_ESTABLISHED;

	if (flow->stamp != stamp)
		flow->stamp = stamp;
}

static __always_inline void flow_remember(struct flow *flow, __u64 fingerprint, __u8 protocol,
					  __u32 real, __u16 incarnation, __u32 now)
{
	flow->fingerprint = fingerprint;
	flow->stamp = now << FLOW_SECONDS_SHIFT | (protocol == IPPROTO_TCP ? FLOW_TCP : 0);
	flow->real = (__u16)real;
	flow->incarnation = incarnation;
}

#endif
