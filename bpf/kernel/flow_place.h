/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Where a new flow is remembered: in one of two buckets, which its hash names. In the first
 * one while that has two free places, or else in the one with more: at most flows a packet
 * then finds its place in the first cache line, and a table that is half full has room for
 * all but one of 3,000 flows (with a single bucket for one of 26 it had none).
 *
 * Where both are full, a new flow displaces the fresh one that has waited longest: a sender of
 * one packet from each of many addresses displaces only flows like its own.
 * Where all eight are established, it displaces one of a sender that has three places of a
 * bucket, so that a single address cannot fill more than half of the table; else it is not
 * remembered. No packet of a flow that is found comes here: the first one alone pays for this.
 */
#ifndef CIDECAR_FLOW_PLACE_H
#define CIDECAR_FLOW_PLACE_H

#include "flow.h"
#include "octets.h"
#include "reason.h"

#define FLOW_PLACES (2 * FLOWS_PER_BUCKET)

/*
 * What find_place returns: a place, 0..3 in the first bucket and 4..7 in the second, and what
 * stood there.
 */
#define PLACE_FREE 0U
#define PLACE_FRESH 1U
#define PLACE_ESTABLISHED 2U
#define PLACE_NONE 3U
#define PLACE(place, kind) ((__u32)(place) | (kind) << 8)
#define PLACE_INDEX(found) ((found) & (FLOW_PLACES - 1))
#define PLACE_KIND(found) ((found) >> 8)

struct flow_buckets {
	struct flow_bucket *first;
	struct flow_bucket *second;
};

static __always_inline struct flow *flow_at(const struct flow_buckets *buckets, __u32 place)
{
	struct flow_bucket *bucket =
		place & FLOWS_PER_BUCKET ? buckets->second : buckets->first;

	return &bucket->flows[place & (FLOWS_PER_BUCKET - 1)];
}

/* One bit for each place of the bucket that is free, or whose flow has expired. */
static __always_inline __u32 free_places(const struct flow_bucket *bucket, __u32 now)
{
	const struct flow *flow;
	__u64 places = 0;
	int i;

#pragma unroll
	for (i = 0; i < FLOWS_PER_BUCKET; i++) {
		flow = &bucket->flows[i];
		if (flow->fingerprint == 0 || flow_expired(flow, now))
			places |= 1 << i;
		places = forget(places, now, 15);
	}
	return (__u32)places;
}

static __always_inline bool more_than_one(__u32 places)
{
	return places & (places - 1);
}

static __always_inline __u32 lowest_place(__u32 places)
{
	return places & 1 ? 0 : places & 2 ? 1 : places & 4 ? 2 : 3;
}

/*
 * How much a flow is to be displaced: the longer it was idle the more, and among equals by
 * `rank`, 0..7. Comes to 0, which is not at all, where `may` is 0; it is 1 otherwise.
 */
static __always_inline __u64 displaceable(const struct flow *flow, __u64 may, __u32 rank,
					  __u32 now)
{
	return may * (((__u64)flow_idle(flow, now) + 1) * FLOW_PLACES + rank);
}

/*
 * The fresh flow that has waited longest. The clock has seconds, in which a flood brings
 * many: among equals the place is a matter of `rotation`, a number of the new flow's own.
 * If it were always the same place, each newcomer would displace the one before it, and no
 * flow would stay for long enough to be seen twice.
 */
static __always_inline __u32 oldest_fresh(const struct flow_buckets *buckets, __u32 rotation,
					  __u32 now)
{
	const struct flow *flow;
	__u64 most = 0, each;
	__u32 i;

#pragma unroll
	for (i = 0; i < FLOW_PLACES; i++) {
		flow = flow_at(buckets, i);
		each = displaceable(flow, ~flow->stamp & FLOW_ESTABLISHED,
				    (i + rotation) & (FLOW_PLACES - 1), now);
		if (each > most)
			most = each;
		most = forget(most, now, ~0ULL);
	}
	return most ? PLACE((most - rotation) & (FLOW_PLACES - 1), PLACE_FRESH) :
		      PLACE(0, PLACE_NONE);
}

/* 1 where the places have flows of one sender, else 0, without a branch. */
static __always_inline __u64 same_sender(const struct flow_bucket *bucket, __u32 a, __u32 b)
{
	/* Less one, a difference of 0 alone is all ones. */
	return ((__u64)(flow_sender(bucket->flows[a].fingerprint) ^
			flow_sender(bucket->flows[b].fingerprint)) - 1) >> 63;
}

/*
 * Of a sender that has three places of the bucket or all four, the flow that was idle for
 * longest. Three places that are the same make three pairs, twice two make only two.
 */
static __always_inline __u32 oldest_of_greedy_sender(const struct flow_bucket *bucket, __u32 first,
						     __u32 now)
{
	__u64 same01 = same_sender(bucket, 0, 1), same02 = same_sender(bucket, 0, 2);
	__u64 most = 0, each;
	__u32 one, i;

	if (same01 + same02 + same_sender(bucket, 0, 3) + same_sender(bucket, 1, 2) +
		    same_sender(bucket, 1, 3) + same_sender(bucket, 2, 3) <
	    3)
		return PLACE(0, PLACE_NONE);
	/* Verifiers of Linux 6.1 and older lose the bounds of a disjunction. */
	one = forget(same01 | same02 ? 0 : 1, now, 1);
	for (i = 0; i < FLOWS_PER_BUCKET; i++) {
		each = displaceable(&bucket->flows[i], same_sender(bucket, one, i), i, now);
		if (each > most)
			most = each;
		most = forget(most, now, ~0ULL);
	}
	return PLACE(first + (most & (FLOWS_PER_BUCKET - 1)), PLACE_ESTABLISHED);
}

/* Not inlined, to leave the registers to packets whose flow is known. */
static __noinline __u32 find_place(struct flow_bucket *first, struct flow_bucket *second,
				   __u64 fingerprint, __u32 now)
{
	struct flow_buckets buckets = { .first = first, .second = second };
	__u32 free = free_places(first, now);
	__u32 others, found;

	if (more_than_one(free))
		return PLACE(lowest_place(free), PLACE_FREE);
	others = free_places(second, now);
	if (free ? more_than_one(others) : others != 0)
		return PLACE(FLOWS_PER_BUCKET + lowest_place(others), PLACE_FREE);
	if (free)
		return PLACE(lowest_place(free), PLACE_FREE);
	/* Bits that the buckets were not chosen by. */
	found = oldest_fresh(&buckets, fingerprint >> 24 & (FLOW_PLACES - 1), now);
	if (PLACE_KIND(found) != PLACE_NONE)
		return found;
	found = oldest_of_greedy_sender(first, 0, now);
	if (PLACE_KIND(found) != PLACE_NONE)
		return found;
	return oldest_of_greedy_sender(second, FLOWS_PER_BUCKET, now);
}

/* NULL where there is no place for the flow. The remark, or 0, says what of this is to be counted. */
static __always_inline struct flow *flow_place(const struct flow_buckets *buckets,
					       __u64 fingerprint, __u32 now, __u32 *remark)
{
	__u32 found = find_place(buckets->first, buckets->second, fingerprint, now);

	switch (PLACE_KIND(found)) {
	case PLACE_FREE:
		break;
	case PLACE_FRESH:
		*remark = REASON_FLOW_DISPLACED_FRESH;
		break;
	case PLACE_ESTABLISHED:
		*remark = REASON_FLOW_DISPLACED_ESTABLISHED;
		break;
	default:
		*remark = REASON_FLOW_UNREMEMBERED;
		return NULL;
	}
	return flow_at(buckets, PLACE_INDEX(found));
}

#endif
