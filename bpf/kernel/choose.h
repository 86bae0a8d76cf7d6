/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Chooses the server of a packet: by its CID, which touches no state, else by the flow table,
 * else by the ring. This is "Load Balancer Forwarding" of draft-ietf-quic-load-balancers-22
 * with the 4-tuple as the only table. A server that is unprogrammed or down is never chosen.
 */
#ifndef CIDECAR_CHOOSE_H
#define CIDECAR_CHOOSE_H

#include "cid.h"
#include "counters.h"
#include "flow.h"
#include "flow_place.h"
#include "parse.h"
#include "quic.h"
#include "real.h"
#include "ring.h"
#include "vip.h"

/* Starts with the VIP of a packet; the steps that follow fill in the rest. */
struct decision {
	const struct vip_slot *vip;
	struct vip_stats *stats;
	const struct real *real; /* the chosen server; NULL = none */
	struct way way; /* how packets leave for it */
	__u32 real_index;
	__u32 reason; /* the outcome */
	__u32 remark; /* why not by CID, or 0 */
	__u32 config; /* ID of the config that routed it; where the reason is REASON_CID */
	struct connection_id cid; /* what was read as one; octets NULL = nothing */
	bool refused; /* chosen, but the packet cannot go there: the reason says why */
	__u32 mtu; /* of the tunnel that it does not fit */
	bool quoted; /* an ICMP error: the tuple is that of the packet it is about */
	__u64 error_sender; /* the first 8 octets of the address that the error came from */
};

static __always_inline bool real_takes_packets(const struct real *real)
{
	return real && way_takes_packets(real_way(real));
}

/* CID_ROUTES has no remark. */
static __always_inline __u32 cid_remark(enum cid_result result)
{
	switch (result) {
	case CID_EMPTY:
		return REASON_CID_EMPTY;
	case CID_FAILOVER:
		return REASON_CID_FAILOVER;
	case CID_UNKNOWN_CONFIG:
		return REASON_CID_UNKNOWN_CONFIG;
	case CID_TOO_SHORT:
		return REASON_CID_TOO_SHORT;
	default:
		return REASON_CID_UNKNOWN_SERVER_ID;
	}
}

/* Returns 0 where the CID leads to a server, else the remark that says why it does not. */
static __always_inline __u32 choose_by_cid(struct decision *decision, const __u8 *data_end)
{
	__u32 config_bits = 0;
	__u32 index = 0;
	enum cid_result result;
	const struct real *real;
	struct way way;

	result = cid_route(decision->cid.octets, decision->cid.length, data_end,
			   decision->vip->pool, &index, &config_bits);
	if (result != CID_ROUTES)
		return cid_remark(result);
	real = bpf_map_lookup_elem(&reals, &index);
	if (!real)
		return REASON_CID_REAL_UNPROGRAMMED;
	way = real_way(real);
	if (way_kind(way) == ENCAP_NONE)
		return REASON_CID_REAL_UNPROGRAMMED;
	if (way_is_down(way))
		return REASON_CID_SERVER_DOWN;
	decision->real = real;
	decision->way = way;
	decision->real_index = index;
	decision->config = config_bits;
	decision->reason = decision->quoted ? REASON_ICMP_CID : REASON_CID;
	return 0;
}

/* The result of a choice without a CID. */
struct flow_choice {
	__u32 real; /* index; 0 = none */
	__u32 reason;
	__u32 remark; /* enum reason, or 0 */
};

/*
 * The choice is packed into one word, because a value that passes between functions in a
 * register needs no stack and leaves the verifier nothing to track.
 */
static __always_inline __u32 choice_packed(const struct flow_choice *choice)
{
	return (choice->real & 0xffff) | choice->reason << 16 | choice->remark << 24;
}

static __always_inline struct flow_choice choice_unpacked(__u32 word)
{
	return (struct flow_choice){
		.real = word & 0xffff,
		.reason = word >> 16 & 0xff,
		.remark = word >> 24,
	};
}

static __always_inline const struct real *choose_by_ring(struct flow_choice *choice, __u64 hash,
							 __u32 ring, bool quoted)
{
	__u32 index = ring_real(ring, hash);
	const struct real *real = bpf_map_lookup_elem(&reals, &index);

	if (!real_takes_packets(real)) {
		choice->reason = REASON_NO_SERVER;
		return NULL;
	}
	choice->real = index;
	choice->reason = quoted ? REASON_ICMP_RING : REASON_RING;
	return real;
}

static __always_inline bool choose_remembered(struct flow_choice *choice, struct flow *flow,
					      __u32 now, bool quoted)
{
	__u32 index = flow->real;
	const struct real *real = bpf_map_lookup_elem(&reals, &index);

	if (!real_takes_packets(real) || real->incarnation != flow->incarnation)
		return false;
	choice->real = index;
	choice->reason = quoted ? REASON_ICMP_FLOW : REASON_FLOW;
	/* Anybody can send an ICMP error, so an error must not keep a flow alive. */
	if (!quoted)
		flow_touch(flow, now);
	return true;
}

static __always_inline struct flow_choice choose_by_hash(__u64 hash, __u64 fingerprint,
							 __u32 ring, __u8 protocol, bool quoted)
{
	__u32 mask = settings.flow_bucket_mask;
	struct flow_buckets buckets = { .first = flow_bucket(flow_bucket_first(hash, mask)) };
	struct flow *flow = buckets.first ? flow_find(buckets.first, fingerprint) : NULL;
	__u32 now = flow_clock();
	struct flow_choice choice = {};
	const struct real *real;

	if (!flow) {
		buckets.second = flow_bucket(flow_bucket_second(hash, mask));
		flow = buckets.second ? flow_find(buckets.second, fingerprint) : NULL;
	}
	if (flow) {
		if (flow_expired(flow, now))
			choice.remark = REASON_FLOW_EXPIRED;
		else if (choose_remembered(&choice, flow, now, quoted))
			return choice;
		else
			choice.remark = REASON_FLOW_STALE;
	}

	real = choose_by_ring(&choice, hash, ring, quoted);
	if (!real || quoted)
		return choice;
	if (!flow && buckets.first && buckets.second)
		flow = flow_place(&buckets, fingerprint, now, &choice.remark);
	if (flow)
		flow_remember(flow, fingerprint, protocol, choice.real, real->incarnation, now);
	else
		choice.remark = REASON_FLOW_UNREMEMBERED;
	return choice;
}

/* A function of its own for the verifier's sake, as skip_extensions is. */
__noinline __u32 choose_by_flow(__u64 hash, __u64 fingerprint, __u32 ring, __u32 protocol,
				__u32 quoted)
{
	struct flow_choice choice =
		choose_by_hash(hash, fingerprint, ring, (__u8)protocol, quoted);

	return choice_packed(&choice);
}

static __always_inline void choose_statefully(struct decision *decision,
					      const struct tuple *tuple, __u32 octets)
{
	struct flow_hash hash = flow_hash(tuple, settings.hash_seed);
	struct flow_choice choice =
		choice_unpacked(choose_by_flow(hash.flow, flow_fingerprint(hash),
					       decision->vip->ring, tuple->protocol,
					       decision->quoted));
	const struct real *real = bpf_map_lookup_elem(&reals, &choice.real);

	if (choice.remark)
		count(decision->stats, choice.remark, octets);
	decision->reason = choice.reason;
	if (!real)
		return;
	/* The real may be real 0, which stands for none, or one that was cleared just now. */
	decision->way = real_way(real);
	if (!way_takes_packets(decision->way)) {
		decision->reason = REASON_NO_SERVER;
		return;
	}
	decision->real = real;
	decision->real_index = choice.real;
}

/* Was what was read as a CID behind a short header? Of a quoted packet only a long one's is read. */
static __always_inline bool is_short_header(const struct decision *decision,
					    const struct packet *packet)
{
	__u32 payload = packet->ip.transport - packet->data + UDP_HEADER_OCTETS;

	return !decision->quoted && decision->cid.offset == payload + QUIC_SHORT_DCID;
}

static __always_inline void count_remark(const struct decision *decision,
					 const struct packet *packet)
{
	__u32 remark = decision->remark;

	count(decision->stats, remark, packet->octets);
	if (remark >= REASON_CID_FAILOVER && is_short_header(decision, packet))
		count(decision->stats, remark + SHORT_HEADER_REMARK, packet->octets);
}

/* On return the reason is set, and the real unless the reason says that there is none. */
static __always_inline void choose(struct decision *decision, const struct packet *packet,
				   const struct tuple *tuple)
{
	if (decision->vip->flags & VIP_QUIC) {
		if (decision->cid.octets) {
			decision->remark = choose_by_cid(decision, packet->data_end);
			if (decision->remark == 0)
				return;
		} else if (!decision->quoted) {
			/*
			 * A quoted packet without a CID to read gets no remark: a short header
			 * that a server sent carries only the client's CID.
			 */
			decision->remark = REASON_QUIC_TRUNCATED;
		}
		decision->remark = forget(decision->remark, packet->octets, REASONS_MAX - 1);
		if (decision->remark != 0)
			count_remark(decision, packet);
	}
	choose_statefully(decision, tuple, packet->octets);
}

#endif
