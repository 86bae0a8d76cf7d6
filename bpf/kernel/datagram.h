/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is known of a frame and of the IP datagram in it, and how its ports are read. The
 * datagram is the packet itself, or the one that an ICMP error quotes.
 */
#ifndef CIDECAR_DATAGRAM_H
#define CIDECAR_DATAGRAM_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include "hash.h"
#include "octets.h"

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_OFFSET 0x1fff

#define IP4_OCTETS 20 /* without options */
#define IP6_OCTETS 40
#define UDP_HEADER_OCTETS 8
#define TCP_HEADER_OCTETS 20

/*
 * A bit of every outcome but the first: verifiers of Linux 6.1 and older follow bits, but
 * learn nothing from "not equal", and would go on with no ports where ports are read.
 */
#define PARSED_ELSE 8

enum parsed {
	PARSED_TRANSPORT = 0, /* UDP or TCP, with ports */
	PARSED_ICMP = PARSED_ELSE, /* of the family's own kind */
	PARSED_FRAGMENT_FIRST, /* of whatever protocol; parse_transport reads on */
	PARSED_FRAGMENT_LATER,
	PARSED_OTHER, /* another protocol */
	PARSED_NOT_IP,
	PARSED_UNREADABLE,
};

static __always_inline bool has_ports(enum parsed parsed)
{
	return !(parsed & PARSED_ELSE);
}

/* An IP datagram: the packet itself, or the one that an ICMP error quotes. */
struct datagram {
	struct tuple tuple; /* of a fragment without ports, until somebody reads them */
	__u8 *header; /* of IP */
	__u8 *transport; /* 8 octets are there, or what came before says why not */
	__u32 octets; /* header and payload, by its own length field */
};

struct packet {
	struct datagram ip;
	__u8 *data;
	__u8 *data_end;
	__u32 octets; /* of the frame */
	__u32 link_octets; /* in front of the IP header: 14, 18 or 22 */
	__u32 tags; /* VLAN tags among them, 0..2 */
};

static __always_inline enum parsed parse_transport(struct datagram *ip, const __u8 *data_end)
{
	if (ip->transport + UDP_HEADER_OCTETS > data_end)
		return PARSED_UNREADABLE;
	if (ip->tuple.protocol == (ip->tuple.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return PARSED_ICMP;
	if (ip->tuple.protocol != IPPROTO_UDP && ip->tuple.protocol != IPPROTO_TCP)
		return PARSED_OTHER;
	/* UDP and TCP begin with the same four octets. */
	ip->tuple.source_port = load16(ip->transport);
	ip->tuple.destination_port = load16(ip->transport + 2);
	return PARSED_TRANSPORT;
}

#endif
