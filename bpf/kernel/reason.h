/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Why a packet went where it went: the rows of vip_stats and the reason in an event.
 *
 * 0..31 are outcomes: every packet has exactly one, so they add up to the packets received.
 * 32..63 are remarks about what was noticed on the way: a packet has none, one or several.
 * The numbers are part of the interface with user space: append, never renumber.
 */
#ifndef CIDECAR_REASON_H
#define CIDECAR_REASON_H

enum reason {
	/* Passed to the host's stack, untouched. Counted in row 0. */
	REASON_NOT_IP = 0, /* neither IPv4 nor IPv6: ARP, LLDP, a third VLAN tag */
	REASON_UNREADABLE = 1, /* cut short, or headers that no host would accept */
	REASON_NOT_VIP = 2, /* address, protocol and port belong to no VIP */
	REASON_NOT_VIP_FRAGMENT = 3, /* a fragment that can be for no VIP */
	REASON_VIP_ICMP = 4, /* to a VIP's address, but not an error about its servers' packets */

	/* Forwarded. */
	REASON_CID = 5, /* to the server that the connection ID names */
	REASON_FLOW = 6, /* to the server that the flow table remembers */
	REASON_RING = 7, /* to the server that the ring gives */
	REASON_ICMP_CID = 8, /* an ICMP error; the quoted source CID names the server */
	REASON_ICMP_FLOW = 9, /* an ICMP error; the flow table remembers the quoted flow */
	REASON_ICMP_RING = 10, /* an ICMP error; the ring gives the server of the quoted flow */

	/* Answered. */
	REASON_TOO_BIG_ANSWERED = 11, /* did not fit the tunnel; the sender was told the MTU */

	/* Dropped. */
	REASON_FRAGMENT_FIRST = 12, /* first fragment to a VIP; counted in row 0 */
	REASON_FRAGMENT_LATER = 13, /* later one of which only a VIP's port can be; counted in row 0 */
	REASON_MALFORMED = 14, /* for a VIP, but its lengths contradict each other */
	REASON_NO_SERVER = 15, /* no CID, no flow, and the ring is empty or its server is gone or
				* without the next hop that it needs */
	REASON_TTL_EXPIRED = 16, /* TTL or hop limit would reach 0 on the way to the server */
	REASON_TOO_BIG_FRAGMENTABLE = 17, /* did not fit; IPv4 without DF, which nobody is told about */
	REASON_TOO_BIG_UNANSWERED = 18, /* did not fit; the answer's rate limit was reached */
	REASON_TOO_BIG_ICMP = 19, /* an ICMP error that did not fit; these are never answered */
	REASON_NO_HEADROOM = 20, /* the driver left no room for the outer header */

	/* Reasons that came later, in the order in which they came. */
	REASON_NOT_UNICAST = 21, /* passed: for a VIP, but its destination MAC is a group's; counted
				  * in row 0 */
	REASON_TOO_BIG_OFFLOADED = 22, /* dropped: did not fit, and no link carried it at this length:
					* an offload (GRO, GSO) joined it or has not cut it yet */
	REASON_ICMP_MTU_TOO_SMALL = 23, /* dropped: an ICMP error with an MTU below what QUIC, or
					 * IPv6, needs anyway; whoever believed it would be harmed */
	REASON_ICMP_OVER_RATE = 24, /* dropped: an ICMP error about a server's packet, over the rate */
	REASON_FRAGMENT_PASSED = 25, /* passed: a later fragment to a VIP's address, whose port may be
				      * one without a VIP; counted in row 0 */
	REASON_TUNNEL_TOO_BIG = 26, /* passed: "too big" about a tunnel packet of this host; which server's
				     * is in tunnel_mtus; counted in row 0 */

	/* Remarks: why a packet of a QUIC VIP was not routed by its CID. */
	REASON_CID_EMPTY = 32, /* a long header with an empty DCID, or nothing after a short one */
	REASON_CID_FAILOVER = 33, /* config ID 0b111: its server had no config */
	REASON_CID_UNKNOWN_CONFIG = 34, /* its pool has no config with this ID */
	REASON_CID_TOO_SHORT = 35, /* shorter than its config's CIDs */
	REASON_CID_UNKNOWN_SERVER_ID = 36, /* decodes to an ID that no server has */
	REASON_CID_REAL_UNPROGRAMMED = 37, /* decodes to a server that has no address here */
	REASON_CID_SERVER_DOWN = 38, /* decodes to a server that is down */
	REASON_QUIC_TRUNCATED = 39, /* no header of RFC 8999: empty, or ends inside the DCID */

	/* Remarks on flows. */
	REASON_FLOW_STALE = 40, /* the remembered server is down or gone; chosen anew */
	REASON_FLOW_EXPIRED = 41, /* remembered, but idle for too long; chosen anew */
	REASON_FLOW_UNREMEMBERED = 42, /* the flow's places are taken; only the ring knows the server */

	/* Remarks on ICMP errors. */
	REASON_ICMP_NOT_QUOTED = 43, /* quotes too little, or a packet that no VIP sent */

	/* Remarks on events. */
	REASON_EVENT_LOST = 44, /* sampled, but the rate was exceeded or the ring buffer full */

	/*
	 * Remarks beside the same one of CIDs, 33 to 38, where the CID was a short header's: its
	 * first octets were issued by a server of ours, or the packet is none of QUIC. A long
	 * header's may be what a client has made up.
	 */
	REASON_SHORT_HEADER_CID_FAILOVER = 45,
	REASON_SHORT_HEADER_CID_UNKNOWN_CONFIG = 46,
	REASON_SHORT_HEADER_CID_TOO_SHORT = 47,
	REASON_SHORT_HEADER_CID_UNKNOWN_SERVER_ID = 48,
	REASON_SHORT_HEADER_CID_REAL_UNPROGRAMMED = 49,
	REASON_SHORT_HEADER_CID_SERVER_DOWN = 50,

	/* More remarks on flows: what a new one has displaced. */
	REASON_FLOW_DISPLACED_FRESH = 51, /* a flow of one packet, by the oldest */
	REASON_FLOW_DISPLACED_ESTABLISHED = 52, /* one of a sender that has three of four places */

	/*
	 * Remarks beside REASON_CID and nothing else: by a CID of config ID 0..7. One row each,
	 * REASON_CONFIG + ID; together they are as many as REASON_CID.
	 */
	REASON_CONFIG = 56,
};

#define FIRST_REMARK 32
/* From the remark on a CID to the one on a short header. */
#define SHORT_HEADER_REMARK (REASON_SHORT_HEADER_CID_FAILOVER - REASON_CID_FAILOVER)

#endif
