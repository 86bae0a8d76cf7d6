/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Finds a packet's VIP, which stands in one of two buckets of a cache line each. */
#ifndef CIDECAR_VIP_H
#define CIDECAR_VIP_H

#include "hash.h"
#include "maps.h"
#include "octets.h"

#define MAPPED_PREFIX 0xffff0000ULL /* octets 8..11 of ::ffff:a.b.c.d as a little-endian word */

struct vip_key {
	__u64 address[2];
	__u16 port;
	__u8 protocol;
};

static __always_inline const struct vip_slot *vip_in_bucket(const struct vip_key *key,
							    __u32 bucket_index)
{
	const struct vip_bucket *bucket = bpf_map_lookup_elem(&vip_table, &bucket_index);
	__u32 word = key->port | (__u32)key->protocol << 16;
	const struct vip_slot *slot;
	int i;

	if (!bucket)
		return NULL;
#pragma unroll
	for (i = 0; i < VIP_SLOTS_PER_BUCKET; i++) {
		slot = &bucket->slots[i];
		/* The publish word is read first: what it publishes was written before it. */
		if (*(const volatile __u32 *)&slot->vip == 0)
			continue;
		if (load64(slot->address + 8) == key->address[1] &&
		    load64(slot->address) == key->address[0] &&
		    (*(const __u32 *)&slot->port & 0xffffff) == word)
			return (const void *)bucket + forget(i * sizeof(*slot), word, sizeof(*slot));
	}
	return NULL;
}

static __always_inline const struct vip_slot *vip_exact(const struct vip_key *key)
{
	__u64 hash = vip_hash(key->address, key->port, key->protocol);
	__u32 mask = settings.vip_bucket_mask;
	const struct vip_slot *slot = vip_in_bucket(key, vip_bucket_first(hash, mask));

	return slot ? slot : vip_in_bucket(key, vip_bucket_second(hash, mask));
}

/* The key of a datagram's destination, without port and protocol. */
static __always_inline struct vip_key vip_address(const struct tuple *tuple)
{
	struct vip_key key = {};

	if (tuple->ipv6) {
		key.address[0] = tuple->destination[0];
		key.address[1] = tuple->destination[1];
	} else {
		key.address[1] = MAPPED_PREFIX | tuple->destination[0] << 32;
	}
	return key;
}

/* An IPv6 destination that would match an IPv4 VIP in the table (RFC 4291 section 2.5.5.2). */
static __always_inline bool is_mapped(const struct tuple *tuple)
{
	return tuple->ipv6 && tuple->destination[0] == 0 &&
	       (__u32)tuple->destination[1] == MAPPED_PREFIX;
}

/* A VIP of the packet's port comes before one of any port. */
static __always_inline const struct vip_slot *vip_of(const struct tuple *tuple)
{
	struct vip_key key = vip_address(tuple);
	const struct vip_slot *slot;

	if (is_mapped(tuple))
		return NULL;
	key.protocol = tuple->protocol;
	key.port = tuple->destination_port;
	slot = vip_exact(&key);
	if (slot || key.port == 0)
		return slot;
	key.port = 0;
	return vip_exact(&key);
}

/* Does any VIP have this address? This is asked about packets that have no ports. */
static __always_inline bool is_vip_address(const struct tuple *tuple)
{
	struct vip_key key = vip_address(tuple);

	return !is_mapped(tuple) && vip_exact(&key);
}

#endif
