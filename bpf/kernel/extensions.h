/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Finds what follows the extension headers of IPv6 (RFC 8200, section 4). */
#ifndef CIDECAR_EXTENSIONS_H
#define CIDECAR_EXTENSIONS_H

#include <linux/bpf.h>
#include <linux/in.h>

#include "datagram.h"
#include "octets.h"

#define IPV6_EXTENSIONS_MAX 6
#define IPV6_EXTENSIONS_OFFSET_MAX 0x3fff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

struct extensions {
	__u32 offset; /* from the frame's start; in: of the first header; out: of what follows */
	/*
	 * In and out: the protocol number of what stands at the offset. It is a whole word
	 * because some kernels reject padding in arguments.
	 */
	__u32 next;
};

/*
 * Steps over the extension headers of RFC 8200 section 4 that a datagram on its last hop
 * may carry. An atomic fragment (offset 0, no more fragments) is a whole datagram (RFC 6946).
 *
 * It is a function of its own so that the verifier walks its many paths once, and not again
 * with each way through the rest of the program. It returns an enum parsed, of which
 * PARSED_TRANSPORT says that all headers were stepped over. For a fragment, `extensions`
 * describes what follows the fragment header.
 */
__noinline int skip_extensions(struct xdp_md *ctx, struct extensions *extensions)
{
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	const __u8 *cursor = (const __u8 *)(long)ctx->data;
	enum parsed parsed = PARSED_TRANSPORT;
	__u32 offset;
	__u16 fragment;
	__u8 next;
	int i;

	if (!extensions)
		return PARSED_UNREADABLE;
	offset = in_register(extensions->offset);
	if (offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return PARSED_UNREADABLE;
	next = (__u8)extensions->next;
	cursor += offset;
	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_ROUTING && next != IPPROTO_FRAGMENT)
			break;
		if (cursor + 8 > data_end)
			return PARSED_UNREADABLE;
		if (next == IPPROTO_FRAGMENT) {
			fragment = bpf_ntohs(load16(cursor + 2));
			next = cursor[0];
			cursor += 8;
			if (fragment & IPV6_FRAGMENT_OFFSET)
				parsed = PARSED_FRAGMENT_LATER;
			else if (fragment & IPV6_MORE_FRAGMENTS)
				parsed = PARSED_FRAGMENT_FIRST;
			if (parsed != PARSED_TRANSPORT)
				break;
			continue;
		}
		/* With segments left, it is for another host, whatever its destination says. */
		if (next == IPPROTO_ROUTING && cursor[3] != 0)
			return PARSED_OTHER;
		next = cursor[0];
		cursor += (cursor[1] + 1) * 8;
	}
	extensions->next = next;
	extensions->offset = cursor - (const __u8 *)(long)ctx->data;
	return parsed;
}

static __always_inline enum parsed parse_extensions(struct xdp_md *ctx, struct datagram *ip,
						    const __u8 *data_end)
{
	__u8 *data = (__u8 *)(long)ctx->data;
	struct extensions extensions = {
		.offset = ip->transport - data,
		.next = ip->tuple.protocol,
	};
	enum parsed parsed = skip_extensions(ctx, &extensions);
	__u32 offset;

	offset = in_register(extensions.offset);
	if (offset > IPV6_EXTENSIONS_OFFSET_MAX)
		return PARSED_UNREADABLE;
	ip->transport = data + offset;
	ip->tuple.protocol = (__u8)extensions.next;
	if (parsed == PARSED_TRANSPORT)
		return parse_transport(ip, data_end);
	return PARSED_ELSE | (in_register(parsed) & (PARSED_ELSE - 1));
}

#endif
