/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Parses a frame from its first octet to the ports. There is no check here that should apply
 * only to packets for a VIP: wrong lengths are found later, once the VIP is known.
 */
#ifndef CIDECAR_PARSE_H
#define CIDECAR_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include "datagram.h"
#include "extensions.h"
#include "octets.h"

#define VLAN_TAGS_MAX 2
#define VLAN_TAG_OCTETS 4

/* The caller has read the first octet: version 4 and a header of `header_octets`. */
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

/* The caller has checked the version, and goes on with what follows the header. */
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
 * Parses what almost every packet is: a whole UDP datagram without VLAN tags, options or
 * extension headers. Every offset is then a constant, which makes a shorter program than
 * parse_packet. False does not reject the packet: parse_packet has to look at it.
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
 * longer: Ethernet pads short ones to 60 octets. The UDP length may be less than what IP
 * carries, and the datagram then ends where UDP says (RFC 768). A UDP length of 0 is for
 * jumbograms, which are not accepted here.
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
