/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What runs in front of the program under test, packet after packet.
 *
 * BPF_PROG_TEST_RUN with repeat > 1 does not restore the packet between runs: the second
 * run would see what the first one made of it. So the prelude takes off what was put in
 * front, writes the first 64 octets again, varies tuple and CID, and tail-calls. The floor
 * of a row is the same prelude with the same plan in front of a stub that only grows the
 * head; what remains after subtracting it is the program itself.
 *
 * Server IDs are drawn by splitmix64, because a strided sequence flatters every cache. They
 * are computed, not looked up, wherever possible: a table of a million prepared CIDs would
 * push the program's own tables out of the cache.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HEAD_OCTETS 64
#define OFFSET_MASK 127
#define PREPARED_CIDS 1024

enum tuple_kind {
	TUPLE_FIXED,
	TUPLE_PORTS, /* one of 65536 source ports, at random */
	TUPLE_NEW, /* source address and port that were not seen for 2^32 packets */
};

enum id_kind {
	ID_FIXED,
	ID_PREPARED, /* a CID of the map `cids`, at random */
	ID_DENSE, /* word_base + index, 4 octets from the start of the CID */
	ID_SPARSE, /* splitmix64(index), 8 octets behind the first octet of the CID */
};

/* Mirrored by prelude.ts. */
struct plan {
	__u8 head[HEAD_OCTETS];
	__u32 length; /* of the packet as sent */
	__u32 growth; /* octets by which the stub grows the head */
	__u32 tuple_kind;
	__u32 id_kind;
	__u32 source_offset; /* of the last two octets of the source address */
	__u32 checksum_offset; /* of the IPv4 header; 0 = none */
	__u32 port_offset;
	__u32 cid_offset;
	__u32 id_mask; /* number of server IDs - 1 */
	__u32 word_base;
	__u64 counter; /* packets so far; starts the random sequence */
};

struct plan plan SEC(".data.plan");

struct cid {
	__u64 words[3]; /* up to 20 octets, the rest is payload */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PREPARED_CIDS);
	__type(key, __u32);
	__type(value, struct cid);
} cids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

static __always_inline __u64 splitmix64(__u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static __always_inline void *at(void *data, void *end, __u32 offset, __u32 octets)
{
	void *place = data + (offset & OFFSET_MASK);

	return place + octets <= end ? place : NULL;
}

static __always_inline int vary_tuple(void *data, void *end, __u64 random)
{
	__u16 *port = at(data, end, plan.port_offset, sizeof(*port));
	__u16 *source = at(data, end, plan.source_offset, sizeof(*source));
	__u16 *checksum = at(data, end, plan.checksum_offset, sizeof(*checksum));
	__u32 fresh;
	__u32 sum;

	if (!port || !source || !checksum)
		return -1;
	if (plan.tuple_kind == TUPLE_PORTS) {
		*port = random >> 48;
		return 0;
	}
	/* An odd factor permutes the 32-bit numbers: every value once. */
	fresh = (__u32)plan.counter * 0x9e3779b1U;
	*port = fresh;
	*source = fresh >> 16;
	if (plan.checksum_offset) {
		/* The template has zero there, so the difference is the new word (RFC 1624). */
		sum = (__u16)~*checksum + (fresh >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		*checksum = ~sum;
	}
	return 0;
}

static __always_inline int vary_id(void *data, void *end, __u64 random)
{
	__u32 index = random & plan.id_mask;
	struct cid *place = at(data, end, plan.cid_offset, sizeof(*place));
	const struct cid *cid;

	if (!place)
		return -1;
	switch (plan.id_kind) {
	case ID_PREPARED:
		cid = bpf_map_lookup_elem(&cids, &index);
		if (!cid)
			return -1;
		*place = *cid;
		return 0;
	case ID_DENSE:
		*(__u32 *)place = bpf_htonl(plan.word_base + index);
		return 0;
	case ID_SPARSE:
		*(__u64 *)((void *)place + 1) = bpf_cpu_to_be64(splitmix64(index));
		return 0;
	}
	return 0;
}

static __always_inline int restore(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	long grown = end - data;
	__u64 random;

	/* Or the compiler adds the length to a pointer, which the verifier refuses. */
	asm volatile("" : "+r"(grown));
	grown -= plan.length;
	if (grown && bpf_xdp_adjust_head(ctx, (int)grown))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + HEAD_OCTETS > end)
		return -1;
	__builtin_memcpy(data, plan.head, HEAD_OCTETS);
	if (plan.tuple_kind == TUPLE_FIXED && plan.id_kind == ID_FIXED)
		return 0;
	random = splitmix64(plan.counter++);
	if (plan.tuple_kind != TUPLE_FIXED && vary_tuple(data, end, random))
		return -1;
	return plan.id_kind == ID_FIXED ? 0 : vary_id(data, end, random);
}

SEC("xdp") int run_target(struct xdp_md *ctx)
{
	if (!restore(ctx))
		bpf_tail_call_static(ctx, &targets, 0);
	return XDP_ABORTED;
}

SEC("xdp") int run_floor(struct xdp_md *ctx)
{
	if (!restore(ctx))
		bpf_tail_call_static(ctx, &targets, 1);
	return XDP_ABORTED;
}

SEC("xdp") int stub(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, -(int)(plan.growth & OFFSET_MASK)) ? XDP_ABORTED : XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
