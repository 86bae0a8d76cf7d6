/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Decryption for "Single Pass Encryption" of draft-ietf-quic-load-balancers-22, where server ID
 * and nonce are one block.
 */
#ifndef CIDECAR_SINGLE_PASS_H
#define CIDECAR_SINGLE_PASS_H

#include "aes.h"
#include "cid_octets.h"

static __always_inline __u32 single_pass_column(const __u8 *tables, const __u32 *keys,
						const struct aes_block *s, int i)
{
	return keys[4 * AES_ROUNDS + i] ^
	       aes_last(tables, AES_INVERSE_SUBSTITUTE, s->columns[i], s->columns[(i + 3) & 3],
			s->columns[(i + 2) & 3], s->columns[(i + 1) & 3]);
}

/*
 * Decrypts octets 1..16 of a CID into the first 16 octets of `octets`: the server ID, and the
 * part of the nonce that shares its columns. It is global for the reason that aes.h gives.
 */
__noinline int single_pass(const struct cid_config *config, struct cid_octets *octets)
{
	const __u8 *tables = aes_tables_address();
	const __u32 *keys;
	__u64 first, second;
	struct aes_block s, t;
	int i;

	if (!config || !octets)
		return -1;
	keys = config->round_keys;
	first = octets->first >> 8 | octets->second << 56;
	second = octets->second >> 8 | octets->third << 56;
	s = (struct aes_block){ .columns = { first, first >> 32, second, second >> 32 } };
#pragma unroll
	for (i = 0; i < 4; i++)
		s.columns[i] ^= keys[i];
#pragma unroll
	for (i = 0; i < 4; i++)
		t.columns[i] = keys[4 + i] ^ aes_mix(tables, AES_DECRYPT, s.columns[i],
						     s.columns[(i + 3) & 3],
						     s.columns[(i + 2) & 3],
						     s.columns[(i + 1) & 3]);
	s = aes_inner_rounds(tables, AES_DECRYPT, 3, keys, t);

	octets->first = single_pass_column(tables, keys, &s, 0) |
			(__u64)single_pass_column(tables, keys, &s, 1) << 32;
	octets->second = 0;
	if (config->columns > 2)
		octets->second = single_pass_column(tables, keys, &s, 2) |
				 (__u64)single_pass_column(tables, keys, &s, 3) << 32;
	return 0;
}

#endif
