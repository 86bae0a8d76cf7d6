/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The answer to a packet that does not fit the tunnel: "fragmentation needed" with the
 * next-hop MTU (RFC 1191 section 4) or "packet too big" (RFC 4443 section 3.2), from the
 * VIP, back to the neighbour that the packet came from. It quotes a fixed number of octets,
 * so that the checksum takes a fixed number of steps; a packet that does not fit is longer.
 */
#ifndef CIDECAR_TOO_BIG_H
#define CIDECAR_TOO_BIG_H

#include "encap.h"
#include "icmp.h"
#include "rate.h"

#define ANSWER_HOPS 64
#define CHECKSUM_CHUNK 512 /* the most that bpf_csum_diff takes at once */
/* 540 octets with its headers, below the 576 of RFC 1812 section 4.3.2.3. */
#define QUOTED4_OCTETS CHECKSUM_CHUNK
/* 1280 octets with its headers, the least MTU of IPv6 (RFC 4443 section 2.4(c)). */
#define QUOTED6_OCTETS (1280 - IP6_OCTETS - ICMP_HEADER_OCTETS)

static __always_inline __u32 sum_chunk(const __u8 *octets, __u32 length, __u32 sum)
{
	return (__u32)bpf_csum_diff(NULL, 0, (__be32 *)octets, length, sum);
}

/*
 * No answer goes out to a frame for a group, or to a source address that does not stand for a
 * single host (RFC 1122 section 3.2.2).
 */
static __always_inline bool may_answer(const struct packet *packet)
{
	const struct tuple *tuple = &packet->ip.tuple;
	__u8 first = (__u8)tuple->source[0];

	if (packet->data[0] & 1)
		return false;
	if (tuple->ipv6)
		return first != 0xff && (tuple->source[0] | tuple->source[1]) != 0;
	return first != 0 && first != 127 && first < 224;
}

/* A function of its own for the verifier's sake. Returns 1 where an answer may be sent. */
__noinline int answer_within_rate(__u64 source)
{
	__u32 row = 0;
	struct cpu_state *state = bpf_map_lookup_elem(&cpu_states, &row);

	return state && rate_allows_source(&state->too_big, source, settings.icmp_per_second,
					   flow_clock());
}

/*
 * An answer names less than the packet's own length, since the packet did not fit. Less than
 * every link of its family must carry helps nobody, and hosts ignore it.
 */
static __always_inline bool answer_allowed(const struct packet *packet, __u32 mtu)
{
	const struct tuple *tuple = &packet->ip.tuple;

	return mtu >= (tuple->ipv6 ? IP6_MTU_MINIMUM : IP4_MTU_MINIMUM) && may_answer(packet) &&
	       answer_within_rate(tuple->source[0]);
}

static __always_inline bool write_answer4(__u8 *header, const __u8 *data_end, __u32 mtu)
{
	__u8 *message = header + IP4_OCTETS;
	__u8 *quoted = message + ICMP_HEADER_OCTETS;
	__u32 sum;

	if (quoted + QUOTED4_OCTETS > data_end)
		return false;
	store64(header, 0x45 |
				(__u64)bpf_htons(IP4_OCTETS + ICMP_HEADER_OCTETS +
						 QUOTED4_OCTETS) << 16 |
				(__u64)bpf_htons(IPV4_DONT_FRAGMENT) << 48);
	store32(header + 8, ANSWER_HOPS | IPPROTO_ICMP << 8);
	store32(header + 12, load32(quoted + 16));
	store32(header + 16, load32(quoted + 12));
	store16(header + 10, checksum_fold(sum_chunk(header, IP4_OCTETS, 0)));

	store32(message, ICMP_UNREACHABLE | ICMP_FRAGMENTATION_NEEDED << 8);
	store32(message + 4, bpf_htonl(mtu & 0xffff));
	sum = sum_chunk(message, ICMP_HEADER_OCTETS, 0);
	sum = sum_chunk(quoted, CHECKSUM_CHUNK, sum);
	store16(message + 2, checksum_fold(sum));
	return true;
}

static __always_inline bool write_answer6(__u8 *header, const __u8 *data_end, __u32 mtu)
{
	__u8 *message = header + IP6_OCTETS;
	__u8 *quoted = message + ICMP_HEADER_OCTETS;
	__u32 length = ICMP_HEADER_OCTETS + QUOTED6_OCTETS;
	__u32 sum;
	int i;

	if (quoted + QUOTED6_OCTETS > data_end)
		return false;
	store64(header, 0x60 | (__u64)bpf_htons(length) << 32 | (__u64)IPPROTO_ICMPV6 << 48 |
				(__u64)ANSWER_HOPS << 56);
#pragma unroll
	for (i = 0; i < 16; i += 8) {
		store64(header + 8 + i, load64(quoted + 24 + i));
		store64(header + 24 + i, load64(quoted + 8 + i));
	}
	store32(message, ICMP6_TOO_BIG);
	store32(message + 4, bpf_htonl(mtu));
	/* The pseudo-header of RFC 8200 section 8.1: length and next header, then addresses. */
	sum = bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6);
	sum = sum_chunk(header + 8, 32, sum);
	sum = sum_chunk(message, ICMP_HEADER_OCTETS, sum);
	sum = sum_chunk(quoted, CHECKSUM_CHUNK, sum);
	sum = sum_chunk(quoted + CHECKSUM_CHUNK, CHECKSUM_CHUNK, sum);
	sum = sum_chunk(quoted + 2 * CHECKSUM_CHUNK, QUOTED6_OCTETS - 2 * CHECKSUM_CHUNK, sum);
	store16(message + 2, checksum_fold(sum));
	return true;
}

/*
 * A function of its own for the verifier's sake. `mtu` counts the octets of the largest IP
 * packet that fits through the tunnel. Returns 1 if the answer may be sent.
 */
__noinline int answer_too_big(struct xdp_md *ctx, __u32 tags, __u32 ipv6, __u32 mtu)
{
	__u32 quoted = ipv6 ? QUOTED6_OCTETS : QUOTED4_OCTETS;
	__u32 added = ICMP_HEADER_OCTETS + (ipv6 ? IP6_OCTETS : IP4_OCTETS);
	__u32 offset = ETH_HLEN + tags * VLAN_TAG_OCTETS;
	__u8 *data_end = (__u8 *)(long)ctx->data_end;
	__u8 *data = (__u8 *)(long)ctx->data;
	__u32 octets = data_end - data;
	struct link_header link;
	__u8 *header;

	if (tags > VLAN_TAGS_MAX || octets < offset + quoted || data + LINK_OCTETS_MAX > data_end)
		return 0;
	link = link_header_read(data, data_end, tags);
	if (bpf_xdp_adjust_tail(ctx, (int)(offset + quoted) - (int)octets) ||
	    bpf_xdp_adjust_head(ctx, -(int)added))
		return 0;
	data = (__u8 *)(long)ctx->data;
	data_end = (__u8 *)(long)ctx->data_end;
	if (data + LINK_OCTETS_MAX > data_end)
		return 0;
	write_back_addresses(data, &link);
	header = write_tags(data, &link, tags, ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP));
	return ipv6 ? write_answer6(header, data_end, mtu) : write_answer4(header, data_end, mtu);
}

#endif
