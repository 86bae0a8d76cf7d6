/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Prepares a packet for its way to the server. It gets an outer header (IPIP, RFC 2003; IPv6,
 * RFC 2473; 6in4, RFC 4213; GUE variant 1, draft-ietf-intarea-gue section 4), or only new MAC
 * addresses. VLAN tags stay in front.
 */
#ifndef CIDECAR_ENCAP_H
#define CIDECAR_ENCAP_H

#include "checksum.h"
#include "choose.h"
#include "link.h"
#include "parse.h"

#define GUE_PORT_FIRST 0xc000 /* dynamic ports, RFC 6335 section 6 */
#define GUE_PORT_MASK 0x3fff
#define IPV6_FLOW_LABEL_MASK 0xfffff

/* The properties of the inner packet that the outer header depends on. */
struct inner {
	__u32 octets;
	__u32 entropy;
	__u8 tos; /* or traffic class */
	__u8 protocol; /* protocol number of the inner IP version */
};

static __always_inline __u8 hops_of(const struct datagram *ip)
{
	return ip->tuple.ipv6 ? ip->header[7] : ip->header[8];
}

/*
 * Forwarding costs a hop (RFC 1812 section 5.3.1, RFC 8200 section 3; into a tunnel: RFC 2003
 * section 3.1, RFC 2473 section 3.1), by L2 as well: two hosts that are balancer and L2 server
 * of one VIP send a packet to each other, which nothing else would end.
 */
static __always_inline void take_hop(struct datagram *ip)
{
	__u16 before, after;

	if (ip->tuple.ipv6) {
		ip->header[7]--;
		return;
	}
	/*
	 * The word holds TTL and protocol, TTL first. The new word is computed rather than read
	 * back, because that load would stall on the store.
	 */
	before = load16(ip->header + 8);
	after = before - 1;
	ip->header[8] = (__u8)after;
	store16(ip->header + 10, checksum_replace(load16(ip->header + 10), before, after));
}

/*
 * The inner DSCP and ECN field are copied whole, as the normal mode of RFC 6040 section 4.1
 * and the uniform model of RFC 2983 say.
 */
static __always_inline struct inner inner_of(const struct datagram *ip)
{
	struct inner inner = { .octets = ip->octets, .entropy = entropy_hash(&ip->tuple) };

	if (ip->tuple.ipv6) {
		inner.tos = (__u8)(bpf_ntohs(load16(ip->header)) >> 4);
		inner.protocol = IPPROTO_IPV6;
	} else {
		inner.tos = ip->header[1];
		inner.protocol = IPPROTO_IPIP;
	}
	return inner;
}

/* The inner entropy replaces the bits of the source address that are set in `mask`. */
static __always_inline void write_ip4(__u8 *outer, const struct real *real,
				      const struct inner *inner, __u32 octets, __u8 protocol,
				      __u32 mask)
{
	__u32 source = (load32(real->outer + 12) & ~mask) | (inner->entropy & mask);
	__u16 length = bpf_htons((__u16)octets);
	__u32 sum = real->checksum + length + ((__u32)inner->tos << 8) + ((__u32)protocol << 8) +
		    (source & 0xffff) + (source >> 16);

	store64(outer, load64(real->outer) | (__u64)inner->tos << 8 | (__u64)length << 16);
	store64(outer + 8, (load64(real->outer + 8) & 0xffff) | (__u64)protocol << 8 |
				   (__u64)checksum_fold(sum) << 16 | (__u64)source << 32);
	store32(outer + 16, load32(real->outer + 16));
}

/* The flow label carries the entropy (RFC 6438). */
static __always_inline void write_ip6(__u8 *outer, const struct real *real,
				      const struct inner *inner, __u32 payload_octets,
				      __u8 protocol)
{
	__u32 label = inner->entropy & IPV6_FLOW_LABEL_MASK;
	__u32 first = bpf_htonl((__u32)inner->tos << 20 | label);

	store64(outer, load64(real->outer) | first |
			       (__u64)bpf_htons((__u16)payload_octets) << 32 |
			       (__u64)protocol << 48);
	store64(outer + 8, load64(real->outer + 8));
	store64(outer + 16, load64(real->outer + 16));
	store64(outer + 24, load64(real->outer + 24));
	store64(outer + 32, load64(real->outer + 32));
}

/*
 * The UDP checksum is 0. It is optional over IPv4 (RFC 768), and over IPv6 it may be left out
 * for tunnels whose inner headers have their own protection (RFC 6935, RFC 6936).
 */
static __always_inline void write_gue(__u8 *udp, const struct inner *inner)
{
	__u16 source_port = GUE_PORT_FIRST | (inner->entropy & GUE_PORT_MASK);
	__u16 length = bpf_htons((__u16)(inner->octets + UDP_HEADER_OCTETS));

	store64(udp, (__u64)bpf_htons(source_port) | (__u64)settings.gue_port << 16 |
			     (__u64)length << 32);
}

/* Without a next hop, the packet goes back to the neighbour it came from. */
static __always_inline void write_addresses(__u8 *data, const struct real *real, struct way way,
					    const struct link_header *link)
{
	__u64 next_hop = way_next_hop(way);

	if (next_hop == 0) {
		write_back_addresses(data, link);
		return;
	}
	store32(data, (__u32)next_hop);
	store16(data + 4, (__u16)(next_hop >> 32));
	store32(data + 6, load32(real->source_mac));
	store16(data + 10, load16(real->source_mac + 4));
}

static __always_inline int transmit(const struct xdp_md *ctx, const struct real *real)
{
	if (real->ifindex != 0 && real->ifindex != ctx->ingress_ifindex)
		return bpf_redirect(real->ifindex, 0);
	return XDP_TX;
}

/* Octets of the largest packet on the way to the real, its outer header included. */
static __always_inline __u32 outer_mtu(const struct real *real)
{
	__u32 mtu = real->mtu;

	return mtu < settings.mtu ? mtu : settings.mtu;
}

/* Octets of the largest IP packet that fits the tunnel; 0 where none does. */
static __always_inline __u32 tunnel_mtu(const struct real *real, struct way way)
{
	__u32 overhead = way_overhead(way);
	__u32 mtu = outer_mtu(real);

	return mtu > overhead ? mtu - overhead : 0;
}

/*
 * Why the packet cannot go to the real, or 0. Nothing has been changed then, so
 * that an answer quotes the packet as it came.
 */
static __always_inline __u32 refusal_of(const struct packet *packet, const struct real *real,
					struct way way, bool icmp_error)
{
	const struct datagram *ip = &packet->ip;

	if (way_kind(way) == ENCAP_L2) {
		/* Back to the router, and with the same address, it would only come again. */
		if (way_next_hop(way) == 0)
			return REASON_NO_SERVER;
	} else if (ip->octets + way_overhead(way) > outer_mtu(real)) {
		/* RFC 1122 section 3.2.2, RFC 4443 section 2.4(e). */
		if (icmp_error)
			return REASON_TOO_BIG_ICMP;
		/*
		 * Longer than any packet of the link: what its sender sent was shorter, and fits
		 * or not, but nobody knows how long it was.
		 */
		if (ip->octets > settings.ingress_mtu)
			return REASON_TOO_BIG_OFFLOADED;
		if (!ip->tuple.ipv6 &&
		    !(bpf_ntohs(load16(ip->header + 6)) & IPV4_DONT_FRAGMENT))
			return REASON_TOO_BIG_FRAGMENTABLE;
		return REASON_TOO_BIG_ANSWERED;
	}
	return hops_of(ip) <= 1 ? REASON_TTL_EXPIRED : 0;
}

/*
 * Returns false if the driver left no headroom; then only the hop count has been changed.
 * `kind` and `overhead` are those of `way`; the program is shorter if they are constants.
 */
static __always_inline bool encapsulate_as(struct xdp_md *ctx, struct packet *packet,
					   const struct real *real, struct way way, __u8 kind,
					   __u32 overhead)
{
	bool outer6 = kind == ENCAP_IP6 || kind == ENCAP_GUE6;
	bool gue = kind == ENCAP_GUE4 || kind == ENCAP_GUE6;
	__u32 payload_octets = packet->ip.octets + (gue ? UDP_HEADER_OCTETS : 0);
	struct link_header link = link_header_read(packet->data, packet->data_end, packet->tags);
	struct inner inner = inner_of(&packet->ip);
	__u32 tags = packet->tags;
	__u8 *data, *data_end, *outer;

	take_hop(&packet->ip);
	if (bpf_xdp_adjust_head(ctx, -(int)overhead))
		return false;
	data = (__u8 *)(long)ctx->data;
	data_end = (__u8 *)(long)ctx->data_end;
	if (data + LINK_OCTETS_MAX > data_end)
		return false;
	write_addresses(data, real, way, &link);
	outer = write_tags(data, &link, tags,
			   outer6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	if (outer6) {
		if (outer + IP6_OCTETS + UDP_HEADER_OCTETS > data_end)
			return false;
		write_ip6(outer, real, &inner, payload_octets,
			  gue ? IPPROTO_UDP : inner.protocol);
		if (gue)
			write_gue(outer + IP6_OCTETS, &inner);
	} else {
		if (outer + IP4_OCTETS + UDP_HEADER_OCTETS > data_end)
			return false;
		/* GUE carries its entropy in the UDP source port instead. */
		write_ip4(outer, real, &inner, payload_octets + IP4_OCTETS,
			  gue ? IPPROTO_UDP : inner.protocol, gue ? 0 : settings.source_mask);
		if (gue)
			write_gue(outer + IP4_OCTETS, &inner);
	}
	return true;
}

static __always_inline bool encapsulate(struct xdp_md *ctx, struct packet *packet,
					const struct real *real, struct way way)
{
	__u8 kind = way_kind(way);

	/* Most packets take a tunnel without UDP, so these two have constants. */
	switch (kind) {
	case ENCAP_IP4:
		return encapsulate_as(ctx, packet, real, way, ENCAP_IP4, IP4_OCTETS);
	case ENCAP_IP6:
		return encapsulate_as(ctx, packet, real, way, ENCAP_IP6, IP6_OCTETS);
	default:
		return encapsulate_as(ctx, packet, real, way, kind, way_overhead(way));
	}
}

/* L2 direct return: the server has the VIP on an interface of this segment. */
static __always_inline void send_on_link(struct packet *packet, const struct real *real,
					 struct way way)
{
	struct link_header link = link_header_read(packet->data, packet->data_end, 0);

	take_hop(&packet->ip);
	write_addresses(packet->data, real, way, &link);
}

#endif
