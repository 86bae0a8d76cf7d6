/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * From the first octet of a frame to the ports. Nothing is judged here that a packet for
 * somebody else could fail: lengths that lie are found later, once a VIP is found.
 */
#ifndef CIDECAR_PARSE_H
#define CIDECAR_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include "hash.h"
#include "octets.h"

#define VLAN_TAGS_MAX 2
#define VLAN_TAG_OCTETS 4
#define IPV6_EXTENSIONS_MAX 6
#define IPV6_EXTENSIONS_OFFSET_MAX 0x3fff

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

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

/* Behind the first octet, which the caller has read: version 4, `header_octets` of header. */
static __always_inline enum parsed read_ip4(struct datagram *ip, const __u8 *data_end,
					    __u32 header_octets)
{
	const struct iphdr *header = (const struct iphdr *)ip->header;
	__u16 fragment;

	ip->octets = bpf_ntohs(header->tot_len);
	ip->transport = ip->header + header_octets;
	ip->tuple.ipv6 = 0;
	ip->tuple.protocol = header->protocol;
	ip->tuple.source[0] = header->saddr;
	ip->tuple.destination[0] = header->daddr;

	fragment = bpf_ntohs(header->frag_off);
	if (fragment & IPV4_FRAGMENT_OFFSET)
		return PARSED_FRAGMENT_LATER;
	if (fragment & IPV4_MORE_FRAGMENTS)
		return PARSED_FRAGMENT_FIRST;
	return parse_transport(ip, data_end);
}

static __always_inline enum parsed parse_ip4(struct datagram *ip, const __u8 *data_end)
{
	const struct iphdr *header = (const struct iphdr *)ip->header;
	__u32 header_octets;

	if ((const __u8 *)(header + 1) > data_end)
		return PARSED_UNREADABLE;
	header_octets = (*ip->header & 0x0f) * 4;
	if (*ip->header >> 4 != 4 || header_octets < sizeof(*header))
		return PARSED_UNREADABLE;
	return read_ip4(ip, data_end, forget(header_octets, header->saddr, 0x3f));
}

struct extensions {
	__u32 offset; /* in: of the first one from the frame's start; out: of what follows them */
	/* In, out: what stands there. A whole word, for kernels that mind padding in arguments. */
	__u32 next;
};

/*
 * Steps over the extension headers of RFC 8200 section 4 that a datagram for its last hop
 * may carry. An atomic fragment (offset 0, no more) is a whole datagram (RFC 6946).
 * A function of its own: the verifier then walks its many paths once rather than followed
 * by each way through the rest of the program. Returns an enum parsed; PARSED_TRANSPORT
 * stands for "all stepped over". Of a fragment, what follows its header is told as well.
 */
__noinline int skip_extensions(struct xdp_md *ctx, struct extensions *extensions)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	const __u8 *cursor = (const __u8 *)(long)ctx->data;
	enum parsed parsed = PARSED_TRANSPORT;
	__u32 offset;
	__u16 fragment;
	__u8 next;
	int i;

	if (!extensions)
		return PARSED_UNREADABLE;
	offset = in_register(extensions->offset);
	if (offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return PARSED_UNREADABLE;
	next = (__u8)extensions->next;
	cursor += offset;
	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_ROUTING && next != IPPROTO_FRAGMENT)
			break;
		if (cursor + 8 > data_end)
			return PARSED_UNREADABLE;
		if (next == IPPROTO_FRAGMENT) {
			fragment = bpf_ntohs(load16(cursor + 2));
			next = cursor[0];
			cursor += 8;
			if (fragment & IPV6_FRAGMENT_OFFSET)
				parsed = PARSED_FRAGMENT_LATER;
			else if (fragment & IPV6_MORE_FRAGMENTS)
				parsed = PARSED_FRAGMENT_FIRST;
			if (parsed != PARSED_TRANSPORT)
				break;
			continue;
		}
		/* Segments left: on its way to somebody else, whatever its destination says. */
		if (next == IPPROTO_ROUTING && cursor[3] != 0)
			return PARSED_OTHER;
		next = cursor[0];
		cursor += (cursor[1] + 1) * 8;
	}
	extensions->next = next;
	extensions->offset = cursor - (const __u8 *)(long)ctx->data;
	return parsed;
}

static __always_inline enum parsed parse_extensions(struct xdp_md *ctx, struct datagram *ip,
						    const __u8 *data_end)
{
	__u8 *data = (__u8 *)(long)ctx->data;
	struct extensions extensions = {
		.offset = ip->transport - data,
		.next = ip->tuple.protocol,
	};
	enum parsed parsed = skip_extensions(ctx, &extensions);
	__u32 offset;

	offset = in_register(extensions.offset);
	if (offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return PARSED_UNREADABLE;
	ip->transport = data + offset;
	ip->tuple.protocol = (__u8)extensions.next;
	if (parsed == PARSED_TRANSPORT)
		return parse_transport(ip, data_end);
	return PARSED_ELSE | (in_register(parsed) & (PARSED_ELSE - 1));
}

/* All but the first octet's version, and what follows the header. */
static __always_inline void read_ip6(struct datagram *ip)
{
	const struct ipv6hdr *header = (const struct ipv6hdr *)ip->header;

	ip->octets = sizeof(*header) + bpf_ntohs(header->payload_len);
	ip->transport = ip->header + sizeof(*header);
	ip->tuple.ipv6 = 1;
	ip->tuple.protocol = header->nexthdr;
	ip->tuple.source[0] = load64(ip->header + 8);
	ip->tuple.source[1] = load64(ip->header + 16);
	ip->tuple.destination[0] = load64(ip->header + 24);
	ip->tuple.destination[1] = load64(ip->header + 32);
}

static __always_inline enum parsed parse_ip6(struct xdp_md *ctx, struct datagram *ip,
					       const __u8 *data_end)
{
	if (ip->header + IP6_OCTETS > data_end || *ip->header >> 4 != 6)
		return PARSED_UNREADABLE;
	read_ip6(ip);
	if (ip->tuple.protocol == IPPROTO_UDP || ip->tuple.protocol == IPPROTO_TCP)
		return parse_transport(ip, data_end);
	return parse_extensions(ctx, ip, data_end);
}

/*
 * Almost every packet: no VLAN tags, neither options nor extensions, UDP, whole. Every
 * offset is a constant then, which makes for a shorter program than parse_packet can. False
 * is no judgement: parse_packet has to look at the packet.
 */
static __always_inline bool parse_plain(const struct xdp_md *ctx, struct packet *packet, bool ipv6)
{
	const __u32 header_octets = ipv6 ? IP6_OCTETS : IP4_OCTETS;
	struct datagram *ip = &packet->ip;

	packet->data = (__u8 *)(long)ctx->data;
	packet->data_end = (__u8 *)(long)ctx->data_end;
	packet->octets = packet->data_end - packet->data;
	packet->link_octets = ETH_HLEN;
	ip->header = packet->data + ETH_HLEN;
	if (ip->header + header_octets + UDP_HEADER_OCTETS > packet->data_end ||
	    load16(packet->data + 2 * ETH_ALEN) !=
		    (ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP)))
		return false;
	if (ipv6) {
		if (*ip->header >> 4 != 6 || ip->header[6] != IPPROTO_UDP)
			return false;
		read_ip6(ip);
		return has_ports(parse_transport(ip, packet->data_end));
	}
	return *ip->header == (4 << 4 | IP4_OCTETS / 4) && ip->header[9] == IPPROTO_UDP &&
	       has_ports(read_ip4(ip, packet->data_end, IP4_OCTETS));
}

static __always_inline enum parsed parse_packet(struct xdp_md *ctx, struct packet *packet)
{
	__u8 *cursor;
	__u16 type;
	int i;

	packet->data = (__u8 *)(long)ctx->data;
	packet->data_end = (__u8 *)(long)ctx->data_end;
	packet->octets = packet->data_end - packet->data;
	cursor = packet->data;
	if (cursor + ETH_HLEN > packet->data_end)
		return PARSED_UNREADABLE;
	type = load16(cursor + 2 * ETH_ALEN);
	cursor += ETH_HLEN;

#pragma unroll
	for (i = 0; i < VLAN_TAGS_MAX; i++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (cursor + VLAN_TAG_OCTETS > packet->data_end)
			return PARSED_UNREADABLE;
		type = load16(cursor + 2);
		cursor += VLAN_TAG_OCTETS;
		packet->tags++;
	}
	packet->link_octets = forget(cursor - packet->data, type, 0x1f);
	packet->ip.header = packet->data + packet->link_octets;
	packet->tags = forget(packet->tags, type, 3);
	if (type == bpf_htons(ETH_P_IP))
		return parse_ip4(&packet->ip, packet->data_end);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ip6(ctx, &packet->ip, packet->data_end);
	return PARSED_NOT_IP;
}

/*
 * Do the lengths that the headers claim fit each other and the frame? The frame may be
 * longer: Ethernet pads short ones to 60 octets. A UDP length may be less than what IP
 * carries, and ends the datagram (RFC 768); 0 is for jumbograms, which have no place here.
 */
static __always_inline bool lengths_agree(const struct packet *packet)
{
	const struct datagram *ip = &packet->ip;
	__u32 available = packet->data_end - ip->header;
	__u32 header_octets = ip->transport - ip->header;
	__u32 udp_octets;

	if (ip->octets > available)
		return false;
	if (ip->tuple.protocol == IPPROTO_TCP)
		return ip->octets >= header_octets + TCP_HEADER_OCTETS;
	if (ip->octets < header_octets + UDP_HEADER_OCTETS)
		return false;
	if (ip->tuple.protocol != IPPROTO_UDP)
		return true;
	udp_octets = bpf_ntohs(load16(ip->transport + 4));
	return udp_octets >= UDP_HEADER_OCTETS && udp_octets <= ip->octets - header_octets;
}

#endif
