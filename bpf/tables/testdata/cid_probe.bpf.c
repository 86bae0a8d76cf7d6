/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Asks cid_route about one CID, for tests. The packet holds the pool and the CID's length as
 * its packet would say it, each a __u32; six unused octets; then the CID, and what follows it.
 * Returns the result in bits 0..3, config_bits in 4..7, the real from bit 8 on.
 */
#include "cid.h"

#define PROBE_HEADER_OCTETS 14

SEC("xdp")
int cid_probe(struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end;
	__u32 real = 0, config_bits = 0, pool, length;
	enum cid_result result;

	if (data + PROBE_HEADER_OCTETS > data_end)
		return -1;
	pool = load32(data);
	length = load32(data + 4);
	result = cid_route(data + PROBE_HEADER_OCTETS, length, data_end, pool, &real, &config_bits);
	return result | config_bits << 4 | (result == CID_ROUTES ? real << 8 : 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
