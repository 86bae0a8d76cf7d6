/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A sample of the packets for VIPs, with what was decided about each. Off by default, and
 * then one load and one branch a packet.
 */
#ifndef CIDECAR_EVENTS_H
#define CIDECAR_EVENTS_H

#include "choose.h"
#include "maps.h"
#include "parse.h"
#include "rate.h"

struct sample {
	struct tuple tuple;
	__u32 cid_offset; /* from the frame; 0 = no CID was read */
	__u32 cid_length;
	__u32 vip;
	__u32 real;
	__u32 octets;
	__u8 reason;
	__u8 remark;
};

static __always_inline void event_address(__u8 *to, const __u64 address[2], bool ipv6)
{
	store64(to, ipv6 ? address[0] : 0);
	store64(to + 8, ipv6 ? address[1] : MAPPED_PREFIX | address[0] << 32);
}

static __always_inline void event_cid(struct xdp_md *ctx, struct event *event,
				      const struct sample *sample)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	const __u8 *octets = (const __u8 *)(long)ctx->data;
	int i;

	if (sample->cid_offset == 0 || sample->cid_offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return;
	octets += sample->cid_offset;
	for (i = 0; i < EVENT_CID_OCTETS; i++) {
		if (i >= sample->cid_length || octets + i + 1 > data_end)
			break;
		event->cid[i] = octets[i];
	}
}

/* A function of its own for the verifier's sake. Returns 1 where the event was lost. */
__noinline int emit_event(struct xdp_md *ctx, const struct sample *sample)
{
	__u64 every = settings.sample_every;
	struct cpu_state *state;
	struct event *event;
	__u32 row = 0;
	__u64 now;

	state = bpf_map_lookup_elem(&cpu_states, &row);
	if (!state || !sample)
		return 0;
	/* The setting may have shrunk since the count began. */
	if (state->until_sample > 1 && state->until_sample <= every) {
		state->until_sample--;
		return 0;
	}
	state->until_sample = every;
	now = bpf_ktime_get_coarse_ns();
	if (!rate_allows(&state->events, settings.events_per_second, now / NANOSECONDS_PER_SECOND))
		return 1;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 1;
	__builtin_memset(event, 0, sizeof(*event));
	event->timestamp = now;
	event_address(event->source, sample->tuple.source, sample->tuple.ipv6);
	event_address(event->destination, sample->tuple.destination, sample->tuple.ipv6);
	event->source_port = sample->tuple.source_port;
	event->destination_port = sample->tuple.destination_port;
	event->protocol = sample->tuple.protocol;
	event->reason = sample->reason;
	event->remark = sample->remark;
	event->cid_length = sample->cid_length > 255 ? 255 : sample->cid_length;
	event->vip = sample->vip;
	event->real = sample->real;
	event->octets = sample->octets;
	event_cid(ctx, event, sample);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Before the packet is changed: offsets are those of the packet as received. */
static __always_inline void sample_packet(struct xdp_md *ctx, const struct packet *packet,
					  const struct decision *decision)
{
	struct sample sample;

	if (settings.sample_every == 0)
		return;
	sample = (struct sample){
		.tuple = packet->ip.tuple,
		.cid_offset = decision->cid.offset,
		.cid_length = decision->cid.length,
		.vip = decision->vip->vip,
		.real = decision->real_index,
		.octets = packet->octets,
		.reason = (__u8)decision->reason,
		.remark = (__u8)decision->remark,
	};
	if (emit_event(ctx, &sample))
		count(decision->stats, REASON_EVENT_LOST, packet->octets);
}

#endif
