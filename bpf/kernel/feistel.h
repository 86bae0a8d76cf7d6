/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Decryption for "Four-Pass Encryption" of draft-ietf-quic-load-balancers-22.
 *
 * A round input is a half of at most 10 octets, zeroes, the length and the pass number. So
 * half of column 2 and all of column 3 of the input never depend on the packet, and neither
 * does column 1 if halves have up to 4 octets. What these contribute to round 1 is computed
 * in advance and stands in the config. Of the output, only the columns of a half are computed.
 */
#ifndef CIDECAR_FEISTEL_H
#define CIDECAR_FEISTEL_H

#include "aes.h"
#include "cid_octets.h"

#define FEISTEL_PASSES 4

/* Round 1 combines `constant` with what the octets of the half contribute. */
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

static __always_inline struct feistel_half feistel_masked(struct feistel_half half,
							 const struct feistel_half *mask)
{
	half.first &= mask->first;
	half.second &= mask->second;
	return half;
}

/* Shifts left by 64 - shift, in two steps because C does not define a shift by 64. */
static __always_inline __u64 shifted_in(__u64 word, __u32 shift)
{
	return word << 1 << (63 - shift);
}

/* The octets of the CID after the first one. They begin with the left half. */
static __always_inline struct feistel_half feistel_left(const struct cid_octets *octets)
{
	return (struct feistel_half){
		.first = octets->first >> 8 | octets->second << 56,
		.second = octets->second >> 8 | octets->third << 56,
	};
}

static __always_inline struct feistel_half feistel_right(const struct cid_octets *octets,
							__u32 shift)
{
	if (shift < 64)
		return (struct feistel_half){
			.first = octets->first >> shift | shifted_in(octets->second, shift),
			.second = octets->second >> shift | shifted_in(octets->third, shift),
		};
	shift -= 64;
	return (struct feistel_half){
		.first = octets->second >> shift | shifted_in(octets->third, shift),
		.second = octets->third >> shift,
	};
}

/* The first 16 octets of the block. Where its length is odd, the halves share an octet. */
static __always_inline struct feistel_half feistel_merged(struct feistel_half left,
							 struct feistel_half right, __u32 shift)
{
	if (shift < 64) {
		left.first |= right.first << shift;
		left.second |= right.second << shift | right.first >> 1 >> (63 - shift);
	} else {
		left.second |= right.first << (shift - 64);
	}
	return left;
}

/*
 * Decrypts a CID into the first 16 octets of `octets`: the server ID, and the part of the
 * nonce that costs nothing more. Three passes are enough if the server ID lies in the left
 * half ("Load Balancer Actions"), since the fourth would only complete the right one. The
 * function is global for the reason that aes.h gives.
 */
__noinline int four_pass(const struct cid_config *config, struct cid_octets *octets)
{
	const __u8 *tables = aes_tables_address();
	struct feistel_half source, target, mixed;
	const struct feistel_half *mask;
	__u32 undone, pass;

	if (!config || !octets)
		return -1;
	/* The last pass mixed right into left, so undoing starts with left as the target. */
	target = feistel_masked(feistel_left(octets), &config->left_mask);
	source = feistel_masked(feistel_right(octets, config->right_shift & 127),
				&config->right_mask);

	/* Not unrolled: the code of three passes would no longer fit the instruction caches. */
#pragma clang loop unroll(disable)
	for (undone = 0; undone < FEISTEL_PASSES; undone++) {
		if (undone == config->passes)
			break;
		pass = FEISTEL_PASSES - undone;
		/* Without this, the compiler keeps on the stack what it could as well reload. */
		asm volatile("" : "+r"(config));
		/* The target is kept where the CID was, because stack is scarce. */
		octets->first = target.first;
		octets->second = target.second;
		mixed = feistel_round(tables, config, config->first_round[(pass - 1) & 3], &source);
		/* Even passes mix into the left half. */
		mask = pass & 1 ? &config->right_mask : &config->left_mask;
		mixed = feistel_masked(mixed, mask);
		target = source;
		source.first = octets->first ^ mixed.first;
		source.second = octets->second ^ mixed.second;
	}

	/*
	 * After three passes, source is the left half. After four, source is the right half and
	 * target is the left.
	 */
	if (config->passes == FEISTEL_PASSES)
		source = feistel_merged(target, source, config->merge_shift & 127);
	octets->first = source.first;
	octets->second = source.second;
	return 0;
}

#endif
