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
	__u32 remark; /* why the CID did not decide, or 0 */
	struct connection_id cid; /* octets NULL = none was read */
	bool refused; /* a server is chosen, but the packet cannot go there; see reason */
	__u32 mtu; /* of the tunnel that the packet does not fit */
	bool quoted; /* the packet is an ICMP error; the tuple is that of the quoted flow */
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

/* Returns 0 if the CID leads to a server, else the remark that says why it does not. */
static __always_inline __u32 choose_by_cid(struct decision *decision, const __u8 *data_end,
					   __u32 octets)
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
	decision->reason = decision->quoted ? REASON_ICMP_CID : REASON_CID;
	count(decision->stats, REASON_CONFIG + (config_bits & 7), octets);
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

static __always_inline struct flow_choice choose_by_hash(__u64 hash, __u32 ring, __u8 protocol,
							 bool quoted)
{
	__u64 fingerprint = flow_fingerprint(hash);
	struct flow_bucket *bucket = flow_bucket(hash);
	struct flow *flow = bucket ? flow_find(bucket, fingerprint) : NULL;
	__u32 now = flow_clock();
	struct flow_choice choice = {};
	const struct real *real;

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
	if (bucket && !flow)
		flow = flow_place(bucket, now);
	if (flow)
		flow_remember(flow, fingerprint, protocol, choice.real, real->incarnation, now);
	else
		choice.remark = REASON_FLOW_UNREMEMBERED;
	return choice;
}

/* Like skip_extensions, this is a separate function to spare the verifier. */
__noinline __u32 choose_by_flow(__u64 hash, __u32 ring, __u32 protocol, __u32 quoted)
{
	struct flow_choice choice = choose_by_hash(hash, ring, (__u8)protocol, quoted);

	return choice_packed(&choice);
}

static __always_inline void choose_statefully(struct decision *decision,
					      const struct tuple *tuple, __u32 octets)
{
	struct flow_choice choice =
		choice_unpacked(choose_by_flow(flow_hash(tuple, settings.hash_seed),
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

/* Sets the reason, and the real too unless the reason says that there is none. */
static __always_inline void choose(struct decision *decision, const struct packet *packet,
				   const struct tuple *tuple)
{
	if (decision->vip->flags & VIP_QUIC) {
		if (decision->cid.octets) {
			decision->remark = choose_by_cid(decision, packet->data_end,
							 packet->octets);
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
			count(decision->stats, decision->remark, packet->octets);
	}
	choose_statefully(decision, tuple, packet->octets);
}

#endif
