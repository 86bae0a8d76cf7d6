/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A ring holds the servers that take new flows, by weight. User space builds it (Maglev,
 * NSDI 2016, section 3.4) and leaves out draining and down servers.
 */
#ifndef CIDECAR_RING_H
#define CIDECAR_RING_H

#include "hash.h"
#include "maps.h"

/* Index of a real, or 0 if the ring has no servers. */
static __always_inline __u32 ring_real(__u32 first, __u64 flow_hash)
{
	const __u32 *size = bpf_map_lookup_elem(&rings, &first);
	const __u32 *entry;
	__u32 key;

	if (!size || *size == 0)
		return 0;
	key = first + 1 + ring_entry(flow_hash, *size);
	entry = bpf_map_lookup_elem(&rings, &key);
	return entry ? *entry : 0;
}

#endif
