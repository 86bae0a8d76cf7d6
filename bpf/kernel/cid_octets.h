/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Loads the octets of a CID into registers. */
#ifndef CIDECAR_CID_OCTETS_H
#define CIDECAR_CID_OCTETS_H

#include "cid_config.h"
#include "octets.h"

/* The first 20 octets of a CID in packet order, as little-endian words. */
struct cid_octets {
	__u64 first; /* octets 0..7 */
	__u64 second; /* 8..15 */
	__u64 third; /* 16..19 in the low half */
};

static __always_inline void cid_load_wide(const __u8 *cid, struct cid_octets *octets)
{
	octets->first = load64(cid);
	octets->second = load64(cid + 8);
	octets->third = load32(cid + 16);
}

/*
 * For CIDs near the end of the packet: loads octet by octet, and sets missing octets to 0.
 * A short header packet has 21 octets or more after its UDP header, unless it can be
 * recognised as a stateless reset (RFC 9000 section 10.3). This is therefore rare and may be
 * slow. Returns how many octets there are, at most 20.
 */
static __always_inline __u32 cid_load_careful(const __u8 *cid, const void *data_end,
					      struct cid_octets *octets)
{
	/*
	 * The zeros are hidden from the verifier, which would otherwise follow 20 lengths
	 * separately from here on.
	 */
	__u64 zero = forget(0, cid[0], ~0ULL);
	__u64 words[3] = { zero, zero, zero };
	__u8 *buffer = (__u8 *)words;
	__u32 i;

	for (i = 0; i < CID_MAX_OCTETS; i++) {
		if ((const void *)(cid + i + 1) > data_end)
			break;
		buffer[i] = cid[i];
	}
	cid_load_wide(buffer, octets);
	return forget(i, words[0], 31);
}

#endif
