/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Describes a frame and the IP datagram in it, and reads the datagram's ports.
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
 * This bit is set in every outcome except the first. The verifiers of Linux 6.1 and older
 * follow single bits but learn nothing from "not equal": without the bit they would follow
 * outcomes without ports into the code that reads ports.
 */
#define PARSED_ELSE 8

enum parsed {
	PARSED_TRANSPORT = 0, /* UDP or TCP, with ports */
	PARSED_ICMP = PARSED_ELSE, /* the ICMP of the datagram's own IP version */
	PARSED_FRAGMENT_FIRST, /* of any protocol; parse_transport can read on */
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
	struct tuple tuple; /* of a fragment: without ports until they are read */
	__u8 *header; /* the IP header */
	__u8 *transport; /* 8 octets are present, unless the outcome says otherwise */
	__u32 octets; /* header and payload, by the header's length field */
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
