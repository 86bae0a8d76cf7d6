/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * "Too big" about our own tunnels: a link between balancer and server has a smaller MTU than
 * outer_mtu says, and every packet that needs more is lost there. The error comes to the
 * tunnel's source, which is this host, and quotes the outer header. It passes to the host;
 * who the server is and what fits is left for user space to read.
 */
#ifndef CIDECAR_TUNNEL_MTU_H
#define CIDECAR_TUNNEL_MTU_H

#include "events.h"
#include "flow.h"
#include "icmp.h"

/* Is the datagram, of which the parser has said `parsed`, a tunnel as encap.h makes them? */
static __always_inline bool is_own_tunnel(const struct datagram *ip, enum parsed parsed)
{
	if (has_ports(parsed))
		return ip->tuple.protocol == IPPROTO_UDP &&
		       ip->tuple.destination_port == settings.gue_port;
	return parsed == PARSED_OTHER && (ip->tuple.protocol == IPPROTO_IPIP ||
					  ip->tuple.protocol == IPPROTO_IPV6);
}

/* The MTU that the ICMP message names, or 0 where it is no "too big", or names none. */
static __always_inline __u32 claimed_mtu(const __u8 *message, __u32 ipv6)
{
	if (ipv6)
		return message[0] == ICMP6_TOO_BIG ? bpf_ntohl(load32(message + 4)) : 0;
	if (message[0] != ICMP_UNREACHABLE || message[1] != ICMP_FRAGMENTATION_NEEDED)
		return 0;
	return bpf_ntohs(load16(message + 6));
}

static __always_inline void note_tunnel_mtu(const struct tuple *sent, __u32 mtu)
{
	__u8 server[16] __attribute__((aligned(8)));
	struct tunnel_mtu *row;
	__u32 index;

	event_address(server, sent->destination, sent->ipv6);
	index = hash_mix(hash_mix(settings.hash_seed, load64(server)), load64(server + 8)) &
		(TUNNEL_MTU_ROWS - 1);
	row = bpf_map_lookup_elem(&tunnel_mtus, &index);
	if (!row)
		return;
	if (load64(row->server) != load64(server) || load64(row->server + 8) != load64(server + 8)) {
		store64(row->server, load64(server));
		store64(row->server + 8, load64(server + 8));
		row->packets = 0;
	}
	row->mtu = mtu;
	row->seconds = flow_clock();
	row->packets++;
}

/*
 * Both offsets are from the frame's start. Returns 1 where the ICMP message is about a tunnel
 * packet of this host, which has been noted then. A function of its own for the verifier's
 * sake, as skip_extensions is.
 */
__noinline int read_tunnel_error(struct xdp_md *ctx, __u32 header_offset, __u32 message_offset,
				 __u32 ipv6)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	__u8 *data = (__u8 *)(long)ctx->data;
	const __u8 *header, *message;
	struct datagram sent = {};
	enum parsed parsed;
	__u32 mtu;

	if (header_offset > LINK_OCTETS_MAX || message_offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return 0;
	header = data + header_offset;
	message = data + message_offset;
	if (header + IP6_OCTETS > data_end || message + ICMP_HEADER_OCTETS > data_end)
		return 0;
	mtu = claimed_mtu(message, ipv6);
	if (mtu == 0)
		return 0;
	sent.header = (__u8 *)message + ICMP_HEADER_OCTETS;
	parsed = ipv6 ? parse_ip6(ctx, &sent, data_end) : parse_ip4(&sent, data_end);
	if (!is_own_tunnel(&sent, parsed))
		return 0;
	/* From the address that the error came to. */
	if (ipv6 ? sent.tuple.source[0] != load64(header + 24) ||
			   sent.tuple.source[1] != load64(header + 32) :
		   sent.tuple.source[0] != load32(header + 16))
		return 0;
	note_tunnel_mtu(&sent.tuple, mtu);
	return 1;
}

#endif
