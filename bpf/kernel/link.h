/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The Ethernet header and its VLAN tags, which move when an IP header comes or goes. */
#ifndef CIDECAR_LINK_H
#define CIDECAR_LINK_H

#include "parse.h"

#define LINK_OCTETS_MAX (ETH_HLEN + VLAN_TAGS_MAX * VLAN_TAG_OCTETS)

/* What stood in front of the IP header, kept while the head moves. */
struct link_header {
	__u64 addresses_low; /* 12 octets: destination, source */
	__u32 addresses_high;
	__u32 tags[VLAN_TAGS_MAX]; /* each is 0x8100 or 0x88a8 and the tag after it */
};

/* The caller has checked that `data` has at least ETH_HLEN octets. */
static __always_inline struct link_header link_header_read(const __u8 *data, const __u8 *data_end,
							   __u32 tags)
{
	struct link_header link = {
		.addresses_low = load64(data),
		.addresses_high = load32(data + 8),
	};

	if (tags > 0 && data + ETH_HLEN + VLAN_TAGS_MAX * VLAN_TAG_OCTETS <= data_end) {
		link.tags[0] = load32(data + 12);
		link.tags[1] = load32(data + 16);
	}
	return link;
}

/* Swaps the addresses, so that the frame goes back to its sender. */
static __always_inline void write_back_addresses(__u8 *data, const struct link_header *link)
{
	store32(data, (__u32)(link->addresses_low >> 48) | link->addresses_high << 16);
	store16(data + 4, (__u16)(link->addresses_high >> 16));
	store32(data + 6, (__u32)link->addresses_low);
	store16(data + 10, (__u16)(link->addresses_low >> 32));
}

static __always_inline void write_same_addresses(__u8 *data, const struct link_header *link)
{
	store64(data, link->addresses_low);
	store32(data + 8, link->addresses_high);
}

/*
 * Writes the tags and the type, which follow the addresses. Returns where the IP header goes;
 * the caller has to check that there is room for it.
 */
static __always_inline __u8 *write_tags(__u8 *data, const struct link_header *link, __u32 tags,
					__u16 type)
{
	data += 2 * ETH_ALEN;
	if (tags > 0) {
		store32(data, link->tags[0]);
		data += VLAN_TAG_OCTETS;
	}
	if (tags > 1) {
		store32(data, link->tags[1]);
		data += VLAN_TAG_OCTETS;
	}
	store16(data, type);
	return data + sizeof(type);
}

#endif
