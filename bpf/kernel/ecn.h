/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Combines the outer and inner ECN fields at the end of a tunnel: RFC 6040 section 4.2. */
#ifndef CIDECAR_ECN_H
#define CIDECAR_ECN_H

#include <stdbool.h>

#include "checksum.h"
#include "octets.h"

enum ecn {
	ECN_NOT_ECT = 0,
	ECN_ECT1 = 1,
	ECN_ECT0 = 2,
	ECN_CE = 3,
};

static __always_inline enum ecn ecn_of(const __u8 *header, bool ipv6)
{
	return (ipv6 ? header[1] >> 4 : header[1]) & 3;
}

/*
 * The field of the packet that leaves the tunnel. A packet with `outer` CE and `inner` Not-ECT
 * must be dropped by the caller.
 */
static __always_inline enum ecn ecn_combined(enum ecn outer, enum ecn inner)
{
	if (inner == ECN_NOT_ECT || inner == ECN_CE)
		return inner;
	if (outer == ECN_CE || (outer == ECN_ECT1 && inner == ECN_ECT0))
		return outer;
	return inner;
}

/* For IPv4, also updates the header checksum. */
static __always_inline void ecn_write(__u8 *header, bool ipv6, enum ecn ecn)
{
	__u16 before = load16(header);

	if (ipv6) {
		header[1] = (header[1] & 0xcf) | ecn << 4;
		return;
	}
	header[1] = (header[1] & 0xfc) | ecn;
	store16(header + 10, checksum_replace(load16(header + 10), before, load16(header)));
}

#endif
