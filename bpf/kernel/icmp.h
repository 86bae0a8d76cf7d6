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

#include "choose.h"
#include "maps.h"
#include "parse.h"
#include "quic.h"
#include "rate.h"

#define ICMP_HEADER_OCTETS 8
#define ICMP_UNREACHABLE 3 /* RFC 792 */
#define ICMP_FRAGMENTATION_NEEDED 4 /* a code of it; the MTU is in the last two octets (RFC 1191) */
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP6_UNREACHABLE 1 /* RFC 4443; too big, time exceeded and parameter problem follow */
#define ICMP6_TOO_BIG 2 /* the MTU is in the last four octets */
#define ICMP6_PARAMETER 4

#define IP4_MTU_MINIMUM 68 /* RFC 791 section 3.2 */
#define IP6_MTU_MINIMUM 1280 /* RFC 8200 section 5 */
#define QUIC_DATAGRAM_MINIMUM 1200 /* octets of UDP payload that every path has to carry, RFC 9000 section 14 */

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

/*
 * Does the error claim an MTU that its receiver has no use for? A QUIC endpoint must ignore
 * one below 1200 octets of UDP payload (RFC 9000 section 14.2.1, as RFC 8899 section 4.6 has
 * all PTB messages below the least size), an IPv6 host one below 1280 (RFC 8201 section 4).
 * Linux believes them for IPv4 all the same, 552 and more, for every socket that speaks to
 * that client, and an MTU of 0, as of routers before RFC 1191, is one of them.
 */
static __always_inline bool claims_too_small_mtu(const struct packet *packet, bool quic)
{
	const __u8 *message = packet->ip.transport;

	if (message + ICMP_HEADER_OCTETS > packet->data_end)
		return false;
	if (packet->ip.tuple.ipv6)
		return message[0] == ICMP6_TOO_BIG &&
		       bpf_ntohl(load32(message + 4)) < IP6_MTU_MINIMUM;
	return quic && message[0] == ICMP_UNREACHABLE &&
	       message[1] == ICMP_FRAGMENTATION_NEEDED &&
	       bpf_ntohs(load16(message + 6)) <
		       IP4_OCTETS + UDP_HEADER_OCTETS + QUIC_DATAGRAM_MINIMUM;
}

/*
 * A function of its own for the verifier's sake. `sender` is what rate_allows_source tells
 * senders apart by. Returns 1 where an error may be sent on.
 */
__noinline int error_within_rate(__u64 sender)
{
	__u32 row = 0;
	struct cpu_state *state = bpf_map_lookup_elem(&cpu_states, &row);

	return state && rate_allows_source(&state->icmp_errors, sender,
					   settings.icmp_errors_per_second, flow_clock());
}

/* Why the error is not sent on to a server, or 0. Anybody can send one, about any flow. */
static __always_inline __u32 error_refusal(const struct packet *packet,
					   const struct decision *decision)
{
	if (claims_too_small_mtu(packet, decision->vip->flags & VIP_QUIC))
		return REASON_ICMP_MTU_TOO_SMALL;
	return error_within_rate(decision->error_sender) ? 0 : REASON_ICMP_OVER_RATE;
}

#endif
