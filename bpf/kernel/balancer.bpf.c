/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The balancer: what is for no VIP passes untouched; the rest goes to the server that its
 * connection ID names, else to the one its flow went to before, else to the one the ring
 * gives. Each step is in its own header; this file is their order.
 *
 * Helpers, and the Linux release that has them: bpf_map_lookup_elem, bpf_xdp_adjust_head
 * (4.10), bpf_redirect (4.14 for XDP), bpf_get_smp_processor_id (4.8),
 * bpf_ktime_get_coarse_ns (5.11).
 */
#include "choose.h"
#include "counters.h"
#include "encap.h"
#include "parse.h"
#include "vip.h"

/* Counted in row 0, since without ports nothing says which VIP of the address is meant. */
static __always_inline int without_ports(const struct packet *packet, enum parsed parsed)
{
	bool vip = is_vip_address(&packet->ip.tuple);

	switch (parsed) {
	case PARSED_FRAGMENT_FIRST:
	case PARSED_FRAGMENT_LATER:
		if (!vip) {
			count_other(REASON_NOT_VIP_FRAGMENT, packet->octets);
			return XDP_PASS;
		}
		count_other(parsed == PARSED_FRAGMENT_FIRST ? REASON_FRAGMENT_FIRST
							    : REASON_FRAGMENT_LATER,
			    packet->octets);
		return XDP_DROP;
	default:
		count_other(vip ? REASON_VIP_ICMP : REASON_NOT_VIP, packet->octets);
		return XDP_PASS;
	}
}

static __always_inline int forward(struct xdp_md *ctx, struct packet *packet,
				   struct decision *decision)
{
	const struct real *real = decision->real;

	if (real->kind == ENCAP_L2) {
		rewrite_addresses(packet, real);
	} else if (hops_of(&packet->ip) <= 1) {
		count(decision->stats, REASON_TTL_EXPIRED, packet->octets);
		return XDP_DROP;
	} else if (!encapsulate(ctx, packet, real)) {
		count(decision->stats, REASON_NO_HEADROOM, packet->octets);
		return XDP_DROP;
	}
	count(decision->stats, decision->reason, packet->octets);
	count_real(decision->real_index, packet->octets);
	return transmit(ctx, real);
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	struct packet packet = {};
	struct decision decision = {};
	enum parsed parsed = parse_packet(ctx, &packet);
	__u32 row;

	switch (parsed) {
	case PARSED_TRANSPORT:
		break;
	case PARSED_NOT_IP:
		count_other(REASON_NOT_IP, packet.octets);
		return XDP_PASS;
	case PARSED_UNREADABLE:
		count_other(REASON_UNREADABLE, packet.octets);
		return XDP_PASS;
	case PARSED_OTHER:
		count_other(REASON_NOT_VIP, packet.octets);
		return XDP_PASS;
	default:
		return without_ports(&packet, parsed);
	}

	decision.vip = vip_of(&packet.ip.tuple);
	if (!decision.vip) {
		count_other(REASON_NOT_VIP, packet.octets);
		return XDP_PASS;
	}
	row = decision.vip->vip;
	decision.stats = bpf_map_lookup_elem(&vip_stats, &row);
	if (!decision.stats)
		return XDP_PASS;
	if (!lengths_agree(&packet)) {
		count(decision.stats, REASON_MALFORMED, packet.octets);
		return XDP_DROP;
	}

	if (decision.vip->flags & VIP_QUIC) {
		if (!quic_dcid(quic_payload(&packet.ip), packet.data_end, &decision.cid))
			decision.cid.octets = NULL;
	}
	choose(&decision, &packet, &packet.ip.tuple);
	if (!decision.real) {
		count(decision.stats, decision.reason, packet.octets);
		return XDP_DROP;
	}
	return forward(ctx, &packet, &decision);
}

char LICENSE[] SEC("license") = "GPL";
