/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The ends of a throughput run over a veth pair. `send` makes frames and redirects them into one
 * end (it runs with BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18), the program under test transmits
 * them back from the other end, and `receive` counts what comes. For comparison `reflect` takes
 * the place of the program under test, and only transmits.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define HEAD_OCTETS 64
#define OFFSET_MASK 127
#define PREPARED_CIDS 1024
#define DESTINATIONS 8192
#define OUTER_DESTINATION 30 /* of IPv4 after Ethernet */
#define WINDOW 128 /* most frames under way at once; a veth holds 256 and drops others */

/* veth-main.ts has the offsets. */
struct plan {
	__u8 head[HEAD_OCTETS];
	__u32 ifindex;
	__u32 cid_offset;
	__u64 counter; /* packets so far */
	__u64 limit; /* packets to send */
	__u64 returned; /* packets that came back */
};

struct plan plan SEC(".data.plan");

struct cid {
	__u64 words[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PREPARED_CIDS);
	__type(key, __u32);
	__type(value, struct cid);
} cids SEC(".maps");

/* By the low bits of the outer destination. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DESTINATIONS);
	__type(key, __u32);
	__type(value, __u64);
} received SEC(".maps");

typedef __u32 __attribute__((may_alias)) word32;
typedef __u64 __attribute__((may_alias)) word64;

/* A frame that is used again still holds what the program made of it, so all is written anew. */
SEC("xdp") int send(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 index = plan.counter & (PREPARED_CIDS - 1);
	const struct cid *cid = bpf_map_lookup_elem(&cids, &index);
	void *place = data + (plan.cid_offset & OFFSET_MASK);
	int i;

	if (plan.counter >= plan.limit ||
	    (__s64)(plan.counter - *(volatile __u64 *)&plan.returned) >= WINDOW)
		return XDP_DROP;
	if (!cid || data + HEAD_OCTETS > end || place + sizeof(*cid) > end)
		return XDP_ABORTED;
	plan.counter++;
	for (i = 0; i < HEAD_OCTETS; i += 8)
		*(word64 *)(data + i) = *(word64 *)(plan.head + i);
	for (i = 0; i < 3; i++)
		*(word64 *)(place + 8 * i) = cid->words[i];
	return bpf_redirect(plan.ifindex, 0);
}

SEC("xdp") int reflect(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp") int receive(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u64 *count;
	__u32 key;

	__sync_fetch_and_add(&plan.returned, 1);
	if (data + OUTER_DESTINATION + 4 > end)
		return XDP_DROP;
	key = __builtin_bswap32(*(word32 *)(data + OUTER_DESTINATION)) & (DESTINATIONS - 1);
	count = bpf_map_lookup_elem(&received, &key);
	if (count)
		(*count)++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
