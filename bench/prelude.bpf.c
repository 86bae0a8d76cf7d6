/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Runs before the program under test on each packet.
 *
 * BPF_PROG_TEST_RUN with repeat > 1 does not restore the packet between runs, so that the second
 * run would see what the first one made of it. The prelude therefore removes what was put before
 * the packet, restores what was changed, varies tuple and CID, and makes a tail call to the
 * program. The floor of a row is the same prelude with the same plan and a stub that only grows
 * the head. The program takes what remains after the floor is subtracted.
 *
 * The prelude writes no more than it must, and in words that hold whole fields. A load that is
 * wider than the store right before it, or spans two stores, waits until they have left the store
 * buffer, and no packet from a wire would make the program wait like that.
 *
 * Server IDs are drawn by splitmix64, because a sequence with a constant step would help every
 * cache. They are computed where possible: a table of a million prepared CIDs would displace the
 * program's own tables from the cache.
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
	TUPLE_NEW, /* a source address and port that the last 2^32 packets did not have */
};

enum id_kind {
	ID_FIXED,
	ID_PREPARED, /* a CID of the map `cids`, at random */
	ID_DENSE, /* word_base + index, 4 octets from the start of the CID */
	ID_SPARSE, /* splitmix64(index), 8 octets after the first octet of the CID */
};

/* prelude.ts has the offsets. */
struct plan {
	__u8 head[HEAD_OCTETS]; /* of the packet as sent; the varying part of the source is 0 */
	__u32 length; /* of the packet as sent */
	__u32 growth; /* octets by which the stub grows the head */
	__u32 tuple_kind;
	__u32 id_kind;
	__u32 ipv6;
	__u32 cid_offset;
	__u32 id_mask; /* number of server IDs - 1 */
	__u32 word_base;
	__u64 cid_words[2]; /* of the packet as sent */
	__u64 counter; /* packets so far, from which the random sequence is made */
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

/* Offsets of what the program or the prelude changes; packets have no tags and no options. */
#define IP4_HOPS_AND_CHECKSUM 22
#define IP4_CHECKSUM 24
#define IP4_SOURCE 26
#define IP4_PORT 34
#define IP6_HOPS 21
#define IP6_SOURCE_LOW 30
#define IP6_PORT 54

typedef __u16 __attribute__((may_alias)) word16;
typedef __u32 __attribute__((may_alias)) word32;
typedef __u64 __attribute__((may_alias)) word64;

#define WORD(type, base, offset) (*(type *)((void *)(base) + (offset)))
#define RESTORE(type, data, offset) \
	(WORD(type, data, offset) = WORD(type, plan.head, offset))

/* The caller has checked that HEAD_OCTETS are there. */
static __always_inline void restore_head(void *data)
{
	RESTORE(word64, data, 0);
	RESTORE(word32, data, 8);
	RESTORE(word16, data, 12);
	if (plan.ipv6)
		RESTORE(__u8, data, IP6_HOPS);
	else
		RESTORE(word32, data, IP4_HOPS_AND_CHECKSUM);
}

static __always_inline void vary_tuple(void *data, __u64 random)
{
	/* An odd factor permutes the 32-bit numbers: every value once. */
	__u32 fresh = (__u32)plan.counter * 0x9e3779b1U;
	__u32 port = plan.ipv6 ? IP6_PORT : IP4_PORT;
	__u32 sum;

	if (plan.tuple_kind == TUPLE_PORTS) {
		WORD(word16, data, port) = random >> 48;
		return;
	}
	WORD(word16, data, port) = fresh;
	if (plan.ipv6) {
		WORD(word64, data, IP6_SOURCE_LOW) = WORD(word64, plan.head, IP6_SOURCE_LOW) |
						     (__u64)(fresh >> 16) << 48;
		return;
	}
	WORD(word32, data, IP4_SOURCE) = WORD(word32, plan.head, IP4_SOURCE) |
					 (fresh & 0xffff0000);
	/* The template has zero there, so the difference is the new word (RFC 1624). */
	sum = (__u16)~WORD(word16, plan.head, IP4_CHECKSUM) + (fresh >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	WORD(word16, data, IP4_CHECKSUM) = ~sum;
}

static __always_inline int vary_id(void *data, void *end, __u64 random)
{
	__u32 index = random & plan.id_mask;
	void *place = data + (plan.cid_offset & OFFSET_MASK);
	const struct cid *cid;
	__u64 id;

	if (place + sizeof(struct cid) > end)
		return -1;
	switch (plan.id_kind) {
	case ID_PREPARED:
		cid = bpf_map_lookup_elem(&cids, &index);
		if (!cid)
			return -1;
		WORD(word64, place, 0) = cid->words[0];
		WORD(word64, place, 8) = cid->words[1];
		WORD(word64, place, 16) = cid->words[2];
		return 0;
	case ID_DENSE:
		WORD(word64, place, 0) = (plan.cid_words[0] & ~0xffffffffULL) |
					 bpf_htonl(plan.word_base + index);
		return 0;
	case ID_SPARSE:
		id = bpf_cpu_to_be64(splitmix64(index));
		WORD(word64, place, 0) = (plan.cid_words[0] & 0xff) | id << 8;
		WORD(word64, place, 8) = (plan.cid_words[1] & ~0xffULL) | id >> 56;
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

	/* Otherwise the compiler adds the length to a pointer, which the verifier refuses. */
	asm volatile("" : "+r"(grown));
	grown -= plan.length;
	if (grown && bpf_xdp_adjust_head(ctx, (int)grown))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + HEAD_OCTETS > end)
		return -1;
	restore_head(data);
	if (plan.tuple_kind == TUPLE_FIXED && plan.id_kind == ID_FIXED)
		return 0;
	random = splitmix64(plan.counter++);
	if (plan.tuple_kind != TUPLE_FIXED)
		vary_tuple(data, random);
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
