/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", undone.
 *
 * A round input is a half of at most 10 octets, zeroes, the length and the pass number. So
 * columns 2 (half of it) and 3 of the input never depend on the packet, nor does column 1
 * where halves have up to 4 octets: what they contribute to round 1 comes ready with the
 * config. And of the output only the columns of a half are computed.
 */
#ifndef CIDECAR_FEISTEL_H
#define CIDECAR_FEISTEL_H

#include "aes.h"
#include "cid_octets.h"

#define FEISTEL_PASSES 4

/* Up to 10 octets in packet order, as little-endian words; zero behind them. */
struct feistel_half {
	__u64 first;
	__u64 second;
};

/* Round 1: `constant`, and what the octets of the half add to it. */
static __always_inline struct aes_block feistel_first_round(const __u8 *tables,
							    const struct cid_config *config,
							    const __u32 *constant,
							    const struct feistel_half *half)
{
	struct aes_block t = { .columns = { constant[0], constant[1], constant[2], constant[3] } };
	__u32 s = (__u32)half->first ^ config->round_keys[0];

	/* ShiftRows: row r of an input column ends up in column c - r. */
	t.columns[0] ^= aes_entry(tables, AES_ENCRYPT + 0, s, 0);
	t.columns[3] ^= aes_entry(tables, AES_ENCRYPT + 1, s, 1);
	t.columns[2] ^= aes_entry(tables, AES_ENCRYPT + 2, s, 2);
	t.columns[1] ^= aes_entry(tables, AES_ENCRYPT + 3, s, 3);
	if (config->columns == 1)
		return t;

	s = (__u32)(half->first >> 32) ^ config->round_keys[1];
	t.columns[1] ^= aes_entry(tables, AES_ENCRYPT + 0, s, 0);
	t.columns[0] ^= aes_entry(tables, AES_ENCRYPT + 1, s, 1);
	t.columns[3] ^= aes_entry(tables, AES_ENCRYPT + 2, s, 2);
	t.columns[2] ^= aes_entry(tables, AES_ENCRYPT + 3, s, 3);
	if (config->columns == 2)
		return t;

	s = (__u32)half->second ^ config->round_keys[2];
	t.columns[2] ^= aes_entry(tables, AES_ENCRYPT + 0, s, 0);
	t.columns[1] ^= aes_entry(tables, AES_ENCRYPT + 1, s, 1);
	return t;
}

static __always_inline __u32 feistel_column(const __u8 *tables, const __u32 *keys,
					    const struct aes_block *s, int i)
{
	return keys[4 * AES_ROUNDS + i] ^
	       aes_last(tables, AES_SUBSTITUTE, s->columns[i], s->columns[(i + 1) & 3],
			s->columns[(i + 2) & 3], s->columns[(i + 3) & 3]);
}

/* The round function, truncated to the columns of a half. The caller masks the octets. */
static __always_inline struct feistel_half feistel_round(const __u8 *tables,
							 const struct cid_config *config,
							 const __u32 *constant,
							 const struct feistel_half *half)
{
	const __u32 *keys = config->round_keys;
	struct feistel_half out = {};
	struct aes_block s;

	s = feistel_first_round(tables, config, constant, half);
	s = aes_inner_rounds(tables, AES_ENCRYPT, 1, keys, s);
	out.first = feistel_column(tables, keys, &s, 0);
	if (config->columns == 1)
		return out;
	out.first |= (__u64)feistel_column(tables, keys, &s, 1) << 32;
	if (config->columns == 2)
		return out;
	out.second = feistel_column(tables, keys, &s, 2);
	return out;
}

/*
 * Decrypts a CID into the first 16 octets of `octets`: the server ID, and of the nonce
 * what is easily had. Three passes where the server ID lies in the left half ("Load
 * Balancer Actions"), since the fourth would only complete the right one.
 */
static __noinline void four_pass(const struct cid_config *config, struct cid_octets *octets)
{
	const __u8 *tables = aes_tables_address();
	struct feistel_half source, target, swap, out;
	__u64 target_mask[2] = { config->left_mask[0], config->left_mask[1] };
	__u64 source_mask[2] = { config->right_mask[0], config->right_mask[1] };
	__u32 shift = config->right_shift & 127, pass, undone;

	/* target is the left half, source the right one: the last pass mixed right into left. */
	target.first = octets->first >> 8 | octets->second << 56;
	target.second = octets->second >> 8 | (__u64)octets->third << 56;
	if (shift < 64) {
		source.first = octets->first >> shift | octets->second << 1 << (63 - shift);
		source.second = octets->second >> shift | (__u64)octets->third << 1 << (63 - shift);
	} else {
		shift -= 64;
		source.first = octets->second >> shift | (__u64)octets->third << 1 << (63 - shift);
		source.second = (__u64)octets->third >> shift;
	}
	target.first &= target_mask[0];
	target.second &= target_mask[1];
	source.first &= source_mask[0];
	source.second &= source_mask[1];

	/* Looped: the code of three unrolled passes no longer fits the instruction caches. */
#pragma clang loop unroll(disable)
	for (undone = 0; undone < FEISTEL_PASSES; undone++) {
		if (undone == config->passes)
			break;
		pass = FEISTEL_PASSES - undone;
		out = feistel_round(tables, config, config->first_round[(pass - 1) & 3], &source);
		swap.first = target.first ^ (out.first & target_mask[0]);
		swap.second = target.second ^ (out.second & target_mask[1]);
		target = source;
		source = swap;
		swap.first = target_mask[0];
		swap.second = target_mask[1];
		target_mask[0] = source_mask[0];
		target_mask[1] = source_mask[1];
		source_mask[0] = swap.first;
		source_mask[1] = swap.second;
	}

	if (config->passes == FEISTEL_PASSES) {
		/* source is the right half now, target the left one. */
		shift = config->merge_shift & 127;
		if (shift < 64) {
			target.first |= source.first << shift;
			target.second |= source.second << shift | source.first >> 1 >> (63 - shift);
		} else {
			target.second |= source.first << (shift - 64);
		}
		octets->first = target.first;
		octets->second = target.second;
	} else {
		octets->first = source.first;
		octets->second = source.second;
	}
}

#endif
