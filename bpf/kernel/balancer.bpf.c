/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The balancer. A packet that is not for a VIP passes untouched. Any other packet goes to
 * the server that its connection ID names, else to the server its flow went to before, else
 * to the server that the ring gives. Each step is in its own header; this file puts them in
 * order. docs/packet-program.md says what happens to every kind of packet, and which kernel
 * the helpers need.
 */
#include "choose.h"
#include "counters.h"
#include "encap.h"
#include "events.h"
#include "icmp.h"
#include "parse.h"
#include "too_big.h"
#include "tunnel_mtu.h"
#include "vip.h"

static __always_inline int pass(__u32 reason, const struct packet *packet)
{
	count_other(reason, packet->octets);
	return XDP_PASS;
}

/*
 * A VIP's datagrams cannot be put together here, nor sent to one server piece by piece
 * without state: the first fragment says whose they are and is dropped, and QUIC sends none
 * (RFC 9000 section 14). A later fragment has no port. It is dropped where the VIP takes
 * every port, and passes where it may belong to another service of the address; without its
 * first fragment it comes to nothing there.
 */
static __always_inline int fragment(struct packet *packet, enum parsed parsed)
{
	const struct tuple *tuple = &packet->ip.tuple;
	bool first = parsed == PARSED_FRAGMENT_FIRST;

	if (first)
		parse_transport(&packet->ip, packet->data_end);
	if ((tuple->protocol != IPPROTO_UDP && tuple->protocol != IPPROTO_TCP) ||
	    !is_vip_address(tuple))
		return pass(REASON_NOT_VIP_FRAGMENT, packet);
	/* Of a later one the port is 0, by which only a VIP of every port is found. */
	if (!vip_of(tuple))
		return pass(first ? REASON_NOT_VIP_FRAGMENT : REASON_FRAGMENT_PASSED, packet);
	count_other(first ? REASON_FRAGMENT_FIRST : REASON_FRAGMENT_LATER, packet->octets);
	return XDP_DROP;
}

/*
 * An ICMP error quotes a packet that a server sent. Finds the VIP of that server, and puts
 * the flow of the quoted packet in place of the error's own for all later steps. Returns
 * false if the error is to be passed.
 */
static __always_inline bool find_quoted(struct xdp_md *ctx, struct packet *packet,
					struct decision *decision)
{
	struct tuple *own = &packet->ip.tuple;
	const struct cpu_state *state;
	__u32 end, found, row = 0;

	state = bpf_map_lookup_elem(&cpu_states, &row);
	end = packet->link_octets + packet->ip.octets;
	if (!state || end > packet->octets)
		return false;
	found = read_quote(ctx, packet->ip.transport - packet->data, end, own->ipv6);
	if (!(found & QUOTE_FOUND) || state->quoted.destination[0] != own->destination[0] ||
	    state->quoted.destination[1] != own->destination[1])
		return false;
	decision->error_sender = own->source[0];
	*own = state->quoted;
	decision->vip = vip_of(own);
	if (!decision->vip)
		return false;
	decision->quoted = true;
	decision->cid.offset = QUOTE_CID_OFFSET(found);
	if (decision->cid.offset != 0) {
		decision->cid.octets = packet->data + decision->cid.offset;
		decision->cid.length = QUOTE_CID_LENGTH(found);
	}
	return true;
}

/* Leaves the pointer NULL if there is no CID. */
static __always_inline void read_cid(const struct packet *packet, struct connection_id *cid)
{
	struct connection_id dcid = {};

	if (!quic_dcid(quic_payload(&packet->ip), packet->data_end, &dcid))
		return;
	/* A number, so that later uses need not keep the bounds of the pointer. */
	dcid.offset = forget(dcid.octets - packet->data, dcid.length, IPV6_EXTENSIONS_OFFSET_MAX);
	*cid = dcid;
}

/*
 * Fills in the decision: the reason, the real if one is chosen, and the circumstances (the
 * CID, the remark, the MTU, and whether the packet was refused). It counts remarks and
 * remembers flows, but does not change the packet.
 */
static __always_inline void decide(struct packet *packet, struct decision *decision)
{
	__u32 refusal;

	if (decision->quoted) {
		decision->reason = error_refusal(packet, decision);
		if (decision->reason != 0)
			return;
	} else {
		if (!lengths_agree(packet)) {
			decision->reason = REASON_MALFORMED;
			return;
		}
		if (decision->vip->flags & VIP_QUIC)
			read_cid(packet, &decision->cid);
	}
	choose(decision, packet, &packet->ip.tuple);
	if (!decision->real)
		return;
	refusal = refusal_of(packet, decision->real, decision->way, decision->quoted);
	if (refusal == 0)
		return;
	decision->reason = refusal;
	decision->mtu = tunnel_mtu(decision->real, decision->way);
	if (refusal == REASON_TOO_BIG_ANSWERED && !answer_allowed(packet, decision->mtu))
		decision->reason = REASON_TOO_BIG_UNANSWERED;
	decision->refused = true;
}

static __always_inline int refuse(struct xdp_md *ctx, const struct packet *packet,
				  const struct decision *decision)
{
	__u32 octets = packet->octets;
	__u32 reason = decision->reason;

	if (reason == REASON_TOO_BIG_ANSWERED &&
	    !answer_too_big(ctx, packet->tags, packet->ip.tuple.ipv6, decision->mtu))
		reason = REASON_TOO_BIG_UNANSWERED;
	count(decision->stats, reason, octets);
	return reason == REASON_TOO_BIG_ANSWERED ? XDP_TX : XDP_DROP;
}

static __always_inline int forward(struct xdp_md *ctx, struct packet *packet,
				   const struct decision *decision)
{
	const struct real *real = decision->real;
	__u32 octets = packet->octets;

	if (way_kind(decision->way) == ENCAP_L2) {
		send_on_link(packet, real, decision->way);
	} else if (!encapsulate(ctx, packet, real, decision->way)) {
		count(decision->stats, REASON_NO_HEADROOM, octets);
		return XDP_DROP;
	}
	count(decision->stats, decision->reason, octets);
	/* Here and nowhere else: a rotation waits until nothing is routed by its old config. */
	if (decision->reason == REASON_CID)
		count(decision->stats, REASON_CONFIG + (decision->config & 7), octets);
	count_real(decision->real_index, octets);
	return transmit(ctx, real);
}

/* Forwards, answers, drops or passes a packet whose VIP is known. */
static __always_inline int balance(struct xdp_md *ctx, struct packet *packet,
				   struct decision *decision)
{
	__u32 row = decision->vip->vip;

	/*
	 * A frame to a group's MAC address reaches every balancer of the link, so forwarding it
	 * could deliver it twice.
	 */
	if (packet->data[0] & 1)
		return pass(REASON_NOT_UNICAST, packet);
	decision->stats = bpf_map_lookup_elem(&vip_stats, &row);
	if (!decision->stats)
		return XDP_PASS;
	decide(packet, decision);
	sample_packet(ctx, packet, decision);
	if (!decision->real || decision->refused)
		return refuse(ctx, packet, decision);
	return forward(ctx, packet, decision);
}

/* For packets of either family that parse_plain has parsed completely. */
static __always_inline int balance_plain(struct xdp_md *ctx, struct packet *packet)
{
	struct decision decision = { .vip = vip_of(&packet->ip.tuple) };

	if (!decision.vip)
		return pass(REASON_NOT_VIP, packet);
	return balance(ctx, packet, &decision);
}

/* Not to a VIP's address, but perhaps about a tunnel that leads from here to a server. */
static __always_inline int foreign_icmp(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 message = packet->ip.transport - packet->data;

	if (read_tunnel_error(ctx, packet->link_octets, message, packet->ip.tuple.ipv6))
		return pass(REASON_TUNNEL_TOO_BIG, packet);
	return pass(REASON_NOT_VIP, packet);
}

static __always_inline int balance_any(struct xdp_md *ctx)
{
	struct packet packet = {};
	struct decision decision = {};
	enum parsed parsed = parse_packet(ctx, &packet);

	if (has_ports(parsed)) {
		decision.vip = vip_of(&packet.ip.tuple);
		if (!decision.vip)
			return pass(REASON_NOT_VIP, &packet);
		return balance(ctx, &packet, &decision);
	}
	switch (parsed) {
	case PARSED_ICMP:
		if (!is_vip_address(&packet.ip.tuple))
			return foreign_icmp(ctx, &packet);
		if (!is_icmp_error(&packet.ip, packet.data_end))
			return pass(REASON_VIP_ICMP, &packet);
		if (!find_quoted(ctx, &packet, &decision)) {
			count_other(REASON_ICMP_NOT_QUOTED, packet.octets);
			return pass(REASON_VIP_ICMP, &packet);
		}
		return balance(ctx, &packet, &decision);
	case PARSED_FRAGMENT_FIRST:
	case PARSED_FRAGMENT_LATER:
		return fragment(&packet, parsed);
	case PARSED_NOT_IP:
		return pass(REASON_NOT_IP, &packet);
	case PARSED_UNREADABLE:
		return pass(REASON_UNREADABLE, &packet);
	default:
		return pass(REASON_NOT_VIP, &packet);
	}
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	struct packet plain4 = {}, plain6 = {};

	if (parse_plain(ctx, &plain4, false))
		return balance_plain(ctx, &plain4);
	if (parse_plain(ctx, &plain6, true))
		return balance_plain(ctx, &plain6);
	return balance_any(ctx);
}

char LICENSE[] SEC("license") = "GPL";
