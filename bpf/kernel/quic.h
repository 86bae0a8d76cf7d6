/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Finds the connection IDs of a QUIC packet by the version-independent properties of RFC 8999
 * alone. The version is never read, and neither is the fixed bit, a property of versions 1
 * and 2 that may be greased (RFC 9287). Only the first packet of a datagram is read, because
 * coalesced packets have the same DCID (RFC 9000 section 12.2).
 */
#ifndef CIDECAR_QUIC_H
#define CIDECAR_QUIC_H

#include "parse.h"

#define QUIC_LONG_HEADER 0x80 /* RFC 8999 section 5 */
#define QUIC_SHORT_DCID 1
#define QUIC_LONG_DCID_LENGTH 5 /* the first octet and the version stand before it */
#define QUIC_LONG_DCID 6

struct connection_id {
	const __u8 *octets;
	__u32 length; /* as the packet claims; it may hold less */
	__u32 offset; /* from the frame's start */
};

struct quic_payload {
	const __u8 *octets;
	__u32 length;
};

/* The datagram's payload ends where UDP says, whatever padding Ethernet adds after it. */
static __always_inline struct quic_payload quic_payload(const struct datagram *ip)
{
	__u32 udp_octets = bpf_ntohs(load16(ip->transport + 4));

	return (struct quic_payload){
		.octets = ip->transport + UDP_HEADER_OCTETS,
		.length = udp_octets - UDP_HEADER_OCTETS,
	};
}

/*
 * A long header says how long its DCID is, up to 255 octets. The length of a short header's
 * DCID is known only to its issuer, so `dcid` spans everything after the first octet.
 */
static __always_inline bool quic_dcid(struct quic_payload payload, const __u8 *data_end,
				      struct connection_id *dcid)
{
	const __u8 *octets = payload.octets;
	__u32 offset;

	if (payload.length < 1 || octets + 1 > data_end)
		return false;
	if (!(octets[0] & QUIC_LONG_HEADER)) {
		offset = QUIC_SHORT_DCID;
		dcid->length = payload.length - QUIC_SHORT_DCID;
	} else {
		offset = QUIC_LONG_DCID;
		if (payload.length < QUIC_LONG_DCID || octets + QUIC_LONG_DCID > data_end)
			return false;
		dcid->length = octets[QUIC_LONG_DCID_LENGTH];
		if (dcid->length > payload.length - QUIC_LONG_DCID)
			return false;
	}
	dcid->octets = octets + forget(offset, payload.length, 7);
	return true;
}

#endif
