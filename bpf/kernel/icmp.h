/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * ICMP errors about what the servers send. Servers answer clients directly, with the VIP as
 * source, so an error about such a packet comes here, and belongs to the server that sent
 * the packet. The quote tells which server that is. A long header carries the server's own
 * CID as SCID. For any other packet only the flow is known, and a CID-routed connection that
 * has moved since has no flow here. A short header cannot help without state, because its
 * DCID is the client's.
 */
#ifndef CIDECAR_ICMP_H
#define CIDECAR_ICMP_H

#include "maps.h"
#include "parse.h"
#include "quic.h"

#define ICMP_HEADER_OCTETS 8
#define ICMP_UNREACHABLE 3 /* RFC 792; "fragmentation needed" is one of its codes */
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP6_UNREACHABLE 1 /* RFC 4443; too big, time exceeded and parameter problem follow */
#define ICMP6_PARAMETER 4

static __always_inline bool is_icmp_error(const struct datagram *ip, const __u8 *data_end)
{
	__u8 type;

	if (ip->transport + 1 > data_end)
		return false;
	type = ip->transport[0];
	if (ip->tuple.ipv6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

static __always_inline void reverse(const struct tuple *sent, struct tuple *received)
{
	received->source[0] = sent->destination[0];
	received->source[1] = sent->destination[1];
	received->destination[0] = sent->source[0];
	received->destination[1] = sent->source[1];
	received->source_port = sent->destination_port;
	received->destination_port = sent->source_port;
	received->protocol = sent->protocol;
	received->ipv6 = sent->ipv6;
}

/* What read_quote returns: whether the quote names a flow, and where its SCID is, if whole. */
#define QUOTE_FOUND 1U
#define QUOTE_CID(offset, length) ((offset) << 8 | (length) << 24)
#define QUOTE_CID_OFFSET(found) ((found) >> 8 & IPV6_EXTENSIONS_OFFSET_MAX)
#define QUOTE_CID_LENGTH(found) ((found) >> 24)

/*
 * Reads the quote of the error whose ICMP header stands at `message_offset` and whose
 * datagram ends at `end_offset`, both from the frame's start. It leaves the tuple of the
 * client's packets, which is the quoted one reversed, in this CPU's state.
 *
 * Only 8 octets after the quoted IP header are certain (RFC 792), so the lengths in the quote
 * may exceed it and are not checked. A first fragment has everything that is needed here.
 * This is a function of its own for the verifier's sake, as skip_extensions is.
 */
__noinline __u32 read_quote(struct xdp_md *ctx, __u32 message_offset, __u32 end_offset, __u32 ipv6)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	__u8 *data = (__u8 *)(long)ctx->data;
	const __u8 *payload, *length;
	struct datagram sent = {};
	struct cpu_state *state;
	enum parsed parsed;
	__u32 offset, row = 0;

	state = bpf_map_lookup_elem(&cpu_states, &row);
	if (!state || message_offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return 0;
	sent.header = data + message_offset + ICMP_HEADER_OCTETS;
	parsed = ipv6 ? parse_ip6(ctx, &sent, data_end) : parse_ip4(&sent, data_end);
	if (parsed == PARSED_FRAGMENT_FIRST)
		parsed = parse_transport(&sent, data_end);
	if (!has_ports(parsed))
		return 0;
	offset = sent.transport - data;
	if (offset + UDP_HEADER_OCTETS > end_offset)
		return 0;
	reverse(&sent.tuple, &state->quoted);

	/* TCP has no SCID. What is found in it is not used: its VIP's flags ask for none. */
	payload = sent.transport + UDP_HEADER_OCTETS;
	if (payload + QUIC_LONG_DCID > data_end || !(payload[0] & QUIC_LONG_HEADER))
		return QUOTE_FOUND;
	length = payload + QUIC_LONG_DCID + payload[QUIC_LONG_DCID_LENGTH];
	if (length + 1 > data_end)
		return QUOTE_FOUND;
	offset = length + 1 - data;
	if (offset > IPV6_EXTENSIONS_OFFSET_MAX || offset + *length > end_offset)
		return QUOTE_FOUND;
	return QUOTE_FOUND | QUOTE_CID(offset, (__u32)*length);
}

#endif
