/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Upper bounds on what packets can make this CPU do besides forwarding. */
#ifndef CIDECAR_RATE_H
#define CIDECAR_RATE_H

#include <stdbool.h>

#include "hash.h"
#include "maps.h"
#include "octets.h"

/* One sender may use one part in so many of a rate, and one packet a second at least. */
#define RATE_SHARE 8

static __always_inline bool rate_allows(struct rate *rate, __u32 limit, __u32 second)
{
	if (rate->second != second) {
		rate->second = second;
		rate->used = 0;
	}
	if (rate->used >= limit)
		return false;
	rate->used++;
	return true;
}

/*
 * Senders are told apart by their IPv4 address, or by the first 64 bits of an IPv6 one, since
 * a single host can choose all the others. A sender that asks for too much uses up its share
 * and leaves the rest; of the others, one in RATE_SOURCES has the same share. The hash is
 * seeded, so that a sender cannot aim at another's share.
 */
static __always_inline bool rate_allows_source(struct shared_rate *rate, __u64 source,
					       __u32 limit, __u32 second)
{
	__u32 hash = in_register(hash_mix(settings.hash_seed, source) >> 32);
	__u32 index = hash & (RATE_SOURCES - 1);
	__u32 share = limit / RATE_SHARE;

	return rate_allows(&rate->by_source[index], share ? share : 1, second) &&
	       rate_allows(&rate->total, limit, second);
}

#endif
