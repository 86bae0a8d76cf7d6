/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The server's end of the balancer's tunnels. It strips the outer header, so that the server
 * sees the packet as the client sent it. A packet that is no tunnel passes untouched.
 *
 * Helpers: bpf_map_lookup_elem, bpf_xdp_adjust_head (Linux 4.10).
 */
#include "decap.h"
#include "ecn.h"
#include "link.h"
#include "parse.h"

#define MAPPED_WORD 0xffff0000ULL /* octets 8..11 of ::ffff:a.b.c.d as a little-endian word */
#define GUE_VARIANT_1 1 /* an IP header stands where GUE's would; its version begins with 01 */

struct tunnel {
	__u8 *inner;
	__u32 inner_octets; /* an upper bound, from the outer headers */
	__u32 reason; /* under which unwrapping is counted */
	bool inner6;
};

static __always_inline int finish(const struct packet *packet, __u32 reason, int verdict)
{
	struct counter *counter = bpf_map_lookup_elem(&decap_stats, &reason);

	if (counter) {
		counter->packets++;
		counter->octets += packet->octets;
	}
	return verdict;
}

static __always_inline bool is_tunnel_protocol(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

/* Whether the packet is a tunnel of a kind that balancers send. Leaves inner_octets unset. */
static __always_inline bool find_tunnel(const struct packet *packet, enum parsed parsed,
					struct tunnel *tunnel)
{
	const struct datagram *ip = &packet->ip;
	__u8 *start = ip->transport;

	if (parsed == PARSED_OTHER && is_tunnel_protocol(ip->tuple.protocol)) {
		tunnel->inner = start;
		tunnel->inner6 = ip->tuple.protocol == IPPROTO_IPV6;
		tunnel->reason = (ip->tuple.ipv6 ? DECAP_IP4_IN_IP6 : DECAP_IP4_IN_IP4) +
				 tunnel->inner6;
		return true;
	}
	if (!has_ports(parsed) || ip->tuple.protocol != IPPROTO_UDP ||
	    decap_settings.gue_port == 0 ||
	    ip->tuple.destination_port != decap_settings.gue_port ||
	    bpf_ntohs(load16(start + 4)) <= UDP_HEADER_OCTETS)
		return false;
	start += UDP_HEADER_OCTETS;
	if (start + 1 > packet->data_end || *start >> 6 != GUE_VARIANT_1)
		return false;
	tunnel->inner = start;
	tunnel->inner6 = *start >> 4 == 6;
	tunnel->reason = ip->tuple.ipv6 ? DECAP_GUE_IP6 : DECAP_GUE_IP4;
	return true;
}

/* The sum over a whole header, checksum included, is 0 in ones' complement (RFC 1071). */
static __always_inline bool header_checksum_holds(const __u8 *header)
{
	__u32 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < IP4_OCTETS; i += 2)
		sum += load16(header + i);
	return checksum_fold(sum) == 0;
}

/*
 * Balancers send no IP options. The inner packet is bounded by the outer lengths, not by the
 * frame's, which may include padding.
 */
static __always_inline bool outer_is_sound(const struct packet *packet, struct tunnel *tunnel)
{
	const struct datagram *ip = &packet->ip;
	__u32 outer_octets = tunnel->inner - ip->header;
	__u32 available = packet->data_end - ip->header;

	if (ip->octets > available || ip->octets < outer_octets)
		return false;
	tunnel->inner_octets = ip->octets - outer_octets;
	if (ip->tuple.protocol == IPPROTO_UDP) {
		if (!lengths_agree(packet))
			return false;
		/* The datagram ends where UDP says, which may be before IP does (RFC 768). */
		tunnel->inner_octets = bpf_ntohs(load16(ip->transport + 4)) - UDP_HEADER_OCTETS;
	}
	if (ip->tuple.ipv6)
		return true;
	if (ip->header + IP4_OCTETS > packet->data_end)
		return false;
	return *ip->header == 0x45 && header_checksum_holds(ip->header);
}

/* Also copies the inner destination, in mapped form (::ffff:a.b.c.d for IPv4). */
static __always_inline bool inner_is_sound(const struct packet *packet,
					   const struct tunnel *tunnel, __u64 destination[2])
{
	const __u8 *inner = tunnel->inner;
	__u32 octets, header_octets;

	if (tunnel->inner6) {
		if (inner + IP6_OCTETS > packet->data_end || *inner >> 4 != 6)
			return false;
		destination[0] = load64(inner + 24);
		destination[1] = load64(inner + 32);
		return IP6_OCTETS + bpf_ntohs(load16(inner + 4)) <= tunnel->inner_octets;
	}
	if (inner + IP4_OCTETS > packet->data_end || *inner >> 4 != 4)
		return false;
	header_octets = (*inner & 15) * 4;
	octets = bpf_ntohs(load16(inner + 2));
	destination[0] = 0;
	destination[1] = MAPPED_WORD | (__u64)load32(inner + 16) << 32;
	return header_octets >= IP4_OCTETS && octets >= header_octets &&
	       octets <= tunnel->inner_octets;
}

static __always_inline bool source_allowed(const struct tuple *tuple)
{
	struct decap_prefix key = { .length = 128 };

	if (decap_settings.check_sources == 0)
		return true;
	store32(key.address, tuple->ipv6 ? (__u32)tuple->source[0] : 0);
	store32(key.address + 4, tuple->ipv6 ? (__u32)(tuple->source[0] >> 32) : 0);
	store32(key.address + 8, tuple->ipv6 ? (__u32)tuple->source[1] : (__u32)MAPPED_WORD);
	store32(key.address + 12,
		tuple->ipv6 ? (__u32)(tuple->source[1] >> 32) : (__u32)tuple->source[0]);
	return bpf_map_lookup_elem(&decap_sources, &key);
}

static __always_inline bool destination_allowed(const __u64 destination[2])
{
	return decap_settings.check_vips == 0 || bpf_map_lookup_elem(&decap_vips, destination);
}

static __always_inline bool unwrap(struct xdp_md *ctx, const struct packet *packet,
				   const struct tunnel *tunnel)
{
	struct link_header link =
		link_header_read(packet->data, packet->data_end, packet->tags);
	__u32 outer_octets = tunnel->inner - packet->ip.header;
	bool inner6 = tunnel->inner6;
	__u32 tags = packet->tags;
	__u8 *data, *data_end;

	if (bpf_xdp_adjust_head(ctx, (int)outer_octets))
		return false;
	data = (__u8 *)(long)ctx->data;
	data_end = (__u8 *)(long)ctx->data_end;
	if (data + LINK_OCTETS_MAX > data_end)
		return false;
	write_same_addresses(data, &link);
	write_tags(data, &link, tags, inner6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	return true;
}

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	struct packet packet = {};
	struct tunnel tunnel = {};
	enum parsed parsed = parse_packet(ctx, &packet);
	enum ecn outer_ecn, inner_ecn, ecn;
	__u64 destination[2];

	if ((parsed == PARSED_FRAGMENT_FIRST || parsed == PARSED_FRAGMENT_LATER) &&
	    is_tunnel_protocol(packet.ip.tuple.protocol))
		return finish(&packet, DECAP_FRAGMENT, XDP_DROP);
	if (!find_tunnel(&packet, parsed, &tunnel))
		return finish(&packet, DECAP_NOT_TUNNEL, XDP_PASS);
	if (!source_allowed(&packet.ip.tuple))
		return finish(&packet, DECAP_SOURCE_REFUSED, XDP_DROP);
	if (!outer_is_sound(&packet, &tunnel) || !inner_is_sound(&packet, &tunnel, destination))
		return finish(&packet, DECAP_MALFORMED, XDP_DROP);
	if (!destination_allowed(destination))
		return finish(&packet, DECAP_NOT_VIP, XDP_DROP);

	outer_ecn = ecn_of(packet.ip.header, packet.ip.tuple.ipv6);
	inner_ecn = ecn_of(tunnel.inner, tunnel.inner6);
	if (outer_ecn == ECN_CE && inner_ecn == ECN_NOT_ECT)
		return finish(&packet, DECAP_CONGESTION, XDP_DROP);
	ecn = ecn_combined(outer_ecn, inner_ecn);
	if (ecn != inner_ecn)
		ecn_write(tunnel.inner, tunnel.inner6, ecn);
	if (!unwrap(ctx, &packet, &tunnel))
		return finish(&packet, DECAP_NO_ROOM, XDP_DROP);
	return finish(&packet, tunnel.reason, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
