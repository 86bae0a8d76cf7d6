/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Reports a sample of the packets for VIPs to user space, with what was decided about each.
 * It is off by default, and then costs one load and one branch a packet.
 */
#ifndef CIDECAR_EVENTS_H
#define CIDECAR_EVENTS_H

#include "choose.h"
#include "maps.h"
#include "parse.h"
#include "rate.h"

static __always_inline void event_address(__u8 *to, const __u64 address[2], bool ipv6)
{
	store64(to, ipv6 ? address[0] : 0);
	store64(to + 8, ipv6 ? address[1] : MAPPED_PREFIX | address[0] << 32);
}

static __always_inline void event_cid(struct xdp_md *ctx, struct event *event, __u32 offset,
				      __u32 length)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	const __u8 *octets = (const __u8 *)(long)ctx->data;
	int i;

	if (offset == 0 || offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return;
	octets += offset;
	for (i = 0; i < EVENT_CID_OCTETS; i++) {
		if (i >= length || octets + i + 1 > data_end)
			break;
		event->cid[i] = octets[i];
	}
}

/* True for one packet in `every` of this CPU. */
static __always_inline bool sampled(struct cpu_state *state, __u64 every)
{
	/* The setting may have shrunk since the count began. */
	if (state->until_sample > 1 && state->until_sample <= every) {
		state->until_sample--;
		return false;
	}
	state->until_sample = every;
	return true;
}

/*
 * These pack arguments of emit_event into words. Arguments in memory would cost every path
 * that leads to the call.
 */
#define EVENT_OUTCOME(reason, remark, quoted) ((reason) | (remark) << 8 | (__u32)(quoted) << 16)
#define EVENT_CID(offset, length) ((offset) | (length) << 16)

/*
 * A function of its own for the verifier's sake. It parses the packet again, a cost that only
 * sampled packets have. `outcome` and `cid` are made by the macros above; a CID offset of 0
 * says that none was read. Returns 1 if the event was lost.
 */
__noinline int emit_event(struct xdp_md *ctx, __u32 vip, __u32 real, __u32 outcome, __u32 cid)
{
	struct packet packet = {};
	struct cpu_state *state;
	struct event *event;
	__u32 row = 0;
	__u64 now;

	state = bpf_map_lookup_elem(&cpu_states, &row);
	if (!state || !sampled(state, settings.sample_every))
		return 0;
	now = bpf_ktime_get_coarse_ns();
	if (!rate_allows(&state->events, settings.events_per_second, now / NANOSECONDS_PER_SECOND))
		return 1;
	parse_packet(ctx, &packet);
	if (outcome >> 16)
		packet.ip.tuple = state->quoted;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 1;
	__builtin_memset(event, 0, sizeof(*event));
	event->timestamp = now;
	event_address(event->source, packet.ip.tuple.source, packet.ip.tuple.ipv6);
	event_address(event->destination, packet.ip.tuple.destination, packet.ip.tuple.ipv6);
	event->source_port = packet.ip.tuple.source_port;
	event->destination_port = packet.ip.tuple.destination_port;
	event->protocol = packet.ip.tuple.protocol;
	event->reason = (__u8)outcome;
	event->remark = (__u8)(outcome >> 8);
	event->cid_length = (__u8)(cid >> 16);
	event->vip = vip;
	event->real = real;
	event->octets = packet.octets;
	event_cid(ctx, event, cid & 0xffff, cid >> 16);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Call it before the packet is changed: the offsets are those of the packet as received. */
static __always_inline void sample_packet(struct xdp_md *ctx, const struct packet *packet,
					  const struct decision *decision)
{
	__u32 length = decision->cid.length > 255 ? 255 : decision->cid.length;

	if (settings.sample_every == 0)
		return;
	if (emit_event(ctx, decision->vip->vip, decision->refused ? 0 : decision->real_index,
		       EVENT_OUTCOME(decision->reason, decision->remark, decision->quoted),
		       EVENT_CID(decision->cid.offset, length)))
		count(decision->stats, REASON_EVENT_LOST, packet->octets);
}

#endif
