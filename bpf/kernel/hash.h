/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The three hashes of the packet program. User space computes the same ones bit for bit
 * (bpf/tables), so everything here is 64-bit unsigned arithmetic modulo 2^64, and words
 * are read from the packet as little-endian, whatever field they cover.
 *
 *   vip_hash      where a VIP stands in vip_table. Unseeded: user space chooses the keys.
 *   flow_hash     which server a flow gets, and where it is remembered. Seeded, so that
 *                 nobody outside can make flows collide.
 *   entropy_hash  spreads the outer header over routers' paths and receive queues. One
 *                 multiplication, since CID-routed packets pay for it too.
 */
#ifndef CIDECAR_HASH_H
#define CIDECAR_HASH_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Odd constants with about half of their bits set; from the golden ratio and from pi. */
#define HASH_MULTIPLIER_1 0x9e3779b97f4a7c15ULL
#define HASH_MULTIPLIER_2 0xc4ceb9fe1a85ec53ULL

/* After a single round, a difference in only the top bit could cancel out one word later. */
static __always_inline __u64 hash_mix(__u64 hash, __u64 word)
{
	hash ^= word;
	hash *= HASH_MULTIPLIER_1;
	hash ^= hash >> 32;
	hash *= HASH_MULTIPLIER_2;
	hash ^= hash >> 29;
	return hash;
}

/*
 * `address` is the 16 octets of vip_slot.address as two words (IPv4-mapped for IPv4). `port`
 * is in network order: the two octets of the packet, read as a little-endian __u16. The
 * buckets that follow from the hash are vip_bucket_first and vip_bucket_second.
 */
static __always_inline __u64 vip_hash(const __u64 address[2], __u16 port, __u8 protocol)
{
	__u64 last = (__u64)port | (__u64)protocol << 16;

	return hash_mix(address[0] ^ address[1] * HASH_MULTIPLIER_2, last);
}

static __always_inline __u32 vip_bucket_first(__u64 hash, __u32 mask)
{
	return (__u32)hash & mask;
}

static __always_inline __u32 vip_bucket_second(__u64 hash, __u32 mask)
{
	return (__u32)(hash >> 32) & mask;
}

static __always_inline __u64 tuple_ports(const struct tuple *tuple)
{
	return (__u64)tuple->source_port | (__u64)tuple->destination_port << 16;
}

struct flow_hash {
	__u64 flow; /* of the whole tuple */
	__u64 sender; /* of where it comes from: half of an IPv6 address, or both of IPv4 */
};

/*
 * The client-to-VIP direction; what a server sends is reversed by the caller. The sender's
 * hash is what the flow's has become by then, so it costs nothing.
 */
static __always_inline struct flow_hash flow_hash(const struct tuple *tuple, __u64 seed)
{
	__u64 last = tuple_ports(tuple) | (__u64)tuple->protocol << 32;
	__u64 sender, hash;

	if (tuple->ipv6) {
		sender = hash_mix(seed, tuple->source[0]);
		hash = hash_mix(sender, tuple->source[1]);
		hash = hash_mix(hash, tuple->destination[0]);
		hash = hash_mix(hash, tuple->destination[1]);
	} else {
		sender = hash_mix(seed, tuple->source[0] | tuple->destination[0] << 32);
		hash = sender;
	}
	return (struct flow_hash){ .flow = hash_mix(hash, last), .sender = sender };
}

/*
 * The ring takes the high half of a flow's hash. Scaled rather than taken modulo: the bias is
 * below size / 2^32 and no division is needed.
 */
static __always_inline __u32 ring_entry(__u64 flow_hash, __u32 size)
{
	return (__u32)(((flow_hash >> 32) * size) >> 32);
}

static __always_inline __u32 flow_bucket_first(__u64 flow_hash, __u32 mask)
{
	return (__u32)flow_hash & mask;
}

/* Another one than the first, unless there is only one. */
static __always_inline __u32 flow_bucket_second(__u64 flow_hash, __u32 mask)
{
	return ((__u32)flow_hash ^ ((__u32)(flow_hash >> 32) | 1)) & mask;
}

#define FLOW_SENDER_SHIFT 55

/* Eight bits of it tell senders apart. Never 0, which marks a free place. */
static __always_inline __u64 flow_fingerprint(struct flow_hash hash)
{
	__u64 rest = (1ULL << FLOW_SENDER_SHIFT) - 1;

	return 1ULL << 63 | (hash.sender & 0xff) << FLOW_SENDER_SHIFT | (hash.flow & rest);
}

/* What of a fingerprint is the sender's. */
static __always_inline __u32 flow_sender(__u64 fingerprint)
{
	return fingerprint >> FLOW_SENDER_SHIFT & 0xff;
}

static __always_inline __u32 entropy_hash(const struct tuple *tuple)
{
	__u64 hash = tuple->source[0] ^ tuple->source[1] ^ tuple_ports(tuple) << 32;

	hash ^= hash >> 32;
	hash *= HASH_MULTIPLIER_1;
	return (__u32)(hash >> 32);
}

#endif
