/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The first word of a real's entry says how packets leave for it. User space changes the word
 * while packets flow, so each packet reads it only once: a second read could find another
 * kind of tunnel, or none. The rest of the entry stays as it was for a grace period after the
 * word is cleared, so it can be relied on once the word has been read.
 */
#ifndef CIDECAR_REAL_H
#define CIDECAR_REAL_H

#include <stdbool.h>

#include "maps.h"

/* The first 8 octets of struct real: next hop, kind, flags. */
struct way {
	__u64 word;
};

static __always_inline struct way real_way(const struct real *real)
{
	return (struct way){ .word = *(const volatile __u64 *)real };
}

/* Zero stands for the neighbour that the packet came from. */
static __always_inline __u64 way_next_hop(struct way way)
{
	return way.word & 0xffffffffffffULL;
}

static __always_inline __u8 way_kind(struct way way)
{
	return (__u8)(way.word >> 48);
}

/* Octets of the outer headers. */
static __always_inline __u32 way_overhead(struct way way)
{
	return (__u32)(way.word >> (56 + REAL_OVERHEAD_SHIFT));
}

static __always_inline bool way_is_down(struct way way)
{
	return way.word >> 56 & REAL_DOWN;
}

static __always_inline bool way_takes_packets(struct way way)
{
	return way_kind(way) != ENCAP_NONE && !way_is_down(way);
}

#endif
