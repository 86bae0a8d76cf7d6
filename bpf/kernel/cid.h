/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Finds the index of a real from a CID, for every scheme. This is the only code outside cid/
 * that knows how a CID is built; differential tests compare it with cid/.
 */
#ifndef CIDECAR_CID_H
#define CIDECAR_CID_H

#include "abi.h"
#include "cid_config.h"
#include "cid_octets.h"
#include "feistel.h"
#include "maps.h"
#include "server_id.h"
#include "single_pass.h"

enum cid_result {
	CID_ROUTES,
	CID_EMPTY, /* no octet of the CID is present */
	CID_FAILOVER, /* 0b111, which is never a QUIC-LB config ("Config Failover") */
	CID_UNKNOWN_CONFIG, /* no live config has these bits */
	CID_TOO_SHORT, /* fewer octets than the config's CIDs */
	CID_UNKNOWN_SERVER_ID, /* the decoded ID leads to no real */
};

#define CONFIG_BITS_FAILOVER 7

/* Extracts the server ID from 16 octets in packet order by shifting a 128-bit number right. */
static __always_inline struct server_id cid_server_id(__u64 first, __u64 second, __u32 shift)
{
	__u64 hi = __builtin_bswap64(first);
	__u64 lo = __builtin_bswap64(second);

	shift &= 127;
	if (shift >= 64)
		return (struct server_id){ .hi = 0, .lo = hi >> (shift - 64) };
	return (struct server_id){
		.hi = hi >> shift,
		/* Two steps, because a shift by 64 is undefined. */
		.lo = lo >> shift | hi << 1 << (63 - shift),
	};
}

/*
 * Routes by the CID at `cid`. `length` is its number of octets by the packet's own account:
 * in a long header the length octet, with a short header the rest of the datagram. Nothing
 * at or after data_end is read. On CID_ROUTES, *real is the non-zero index of a real, which
 * may be unprogrammed or down. *config_bits is set to the top three bits of the first octet
 * for every result except CID_EMPTY.
 */
static __always_inline enum cid_result cid_route(const __u8 *cid, __u32 length,
						 const void *data_end, __u32 pool, __u32 *real,
						 __u32 *config_bits)
{
	const struct cid_config *config;
	struct cid_octets octets, decrypted;
	const __u32 *row;
	__u32 key;

	if (length == 0 || (const void *)(cid + 1) > data_end)
		return CID_EMPTY;
	*config_bits = cid[0] >> 5;
	key = pool * CONFIGS_PER_POOL + *config_bits;
	row = bpf_map_lookup_elem(&config_index, &key);
	key = row ? *(const volatile __u32 *)row : 0;
	if (key == 0)
		/* The failover bits have a row only if Katran V3 uses them. */
		return *config_bits == CONFIG_BITS_FAILOVER ? CID_FAILOVER : CID_UNKNOWN_CONFIG;
	config = bpf_map_lookup_elem(&configs, &key);
	if (!config)
		return CID_UNKNOWN_CONFIG;

	if (length < config->minimum_length)
		return CID_TOO_SHORT;
	if ((const void *)(cid + CID_MAX_OCTETS) <= data_end)
		cid_load_wide(cid, &octets);
	else if (cid_load_careful(cid, data_end, &octets) < config->minimum_length)
		return CID_TOO_SHORT;

	if (config->kind != CID_EXTRACT) {
		/*
		 * A copy, because an object whose address is passed to a function must stay in
		 * memory throughout. `octets` itself can then live in registers.
		 */
		decrypted = octets;
		if (config->kind == CID_SINGLE_PASS)
			single_pass(config, &decrypted);
		else if (config->kind == CID_FOUR_PASS)
			four_pass(config, &decrypted);
		octets = decrypted;
	}

	*real = server_id_real(config,
			       cid_server_id(octets.first, octets.second, config->shift));
	return *real ? CID_ROUTES : CID_UNKNOWN_SERVER_ID;
}

#endif
