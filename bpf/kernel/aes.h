/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * AES-128 by table lookup (FIPS 197). It needs no kernel crypto, and so it runs on every
 * kernel that runs the rest. A column is a word whose low octet is the column's first.
 *
 * Table lookups leak the key through the cache to other code on the same core. There is no
 * such code here, because XDP runs on the balancer's own host. The key protects only against
 * linkability.
 *
 * The functions that decrypt (single_pass.h, feistel.h) are global, that is, not static. The
 * verifier then checks their thousands of instructions once, instead of once for each path
 * that leads to them. Their arguments are pointers to structs, which needs Linux 5.12.
 */
#ifndef CIDECAR_AES_H
#define CIDECAR_AES_H

#include "aes_tables.h"
#include "cid_config.h"

#define AES_ROUNDS 10

/* Numbers of the 256-word tables in struct aes_tables. */
#define AES_ENCRYPT 0
#define AES_SUBSTITUTE 4
#define AES_DECRYPT 5
#define AES_INVERSE_SUBSTITUTE 9

struct aes_block {
	__u32 columns[4];
};

/*
 * The address of the tables is hidden from the compiler, which would otherwise load a 64-bit
 * constant before each of about 160 lookups for a block. This is worth 15 %.
 */
static __always_inline const __u8 *aes_tables_address(void)
{
	const __u8 *address = (const __u8 *)&aes_tables;

	asm volatile("" : "+r"(address));
	return address;
}

/*
 * Entry of table `table` for octet `row` of a column; shift and mask turn the octet into
 * the offset of a word. The addition is hidden from the compiler too: otherwise it makes an
 * address for each table, and these are more than it has registers. Six instructions remain:
 * copy, shift, mask, add, load and XOR.
 */
static __always_inline __u32 aes_entry(const __u8 *tables, int table, __u32 column, int row)
{
	__u64 address = row ? column >> (8 * row - 2) & 0x3fc : (column & 0xff) << 2;

	asm("%0 += %1" : "+r"(address) : "r"(tables));
	return *(const __u32 *)(address + table * 1024);
}

/* One column of a full round; a..d are the columns that ShiftRows takes rows 0..3 from. */
static __always_inline __u32 aes_mix(const __u8 *tables, int table, __u32 a, __u32 b, __u32 c,
				     __u32 d)
{
	return aes_entry(tables, table, a, 0) ^ aes_entry(tables, table + 1, b, 1) ^
	       aes_entry(tables, table + 2, c, 2) ^ aes_entry(tables, table + 3, d, 3);
}

/* One column of the last round, which has no MixColumns. */
static __always_inline __u32 aes_last(const __u8 *tables, int table, __u32 a, __u32 b, __u32 c,
				      __u32 d)
{
	return aes_entry(tables, table, a, 0) | aes_entry(tables, table, b, 1) << 8 |
	       aes_entry(tables, table, c, 2) << 16 | aes_entry(tables, table, d, 3) << 24;
}

/*
 * Rounds 2..9 on the four columns in `s`. `step` is the number of columns by which row 1 is
 * shifted: 1 to encrypt, 3 (that is, -1) to decrypt. Row 2 is shifted by 2 in both cases.
 */
static __always_inline struct aes_block aes_inner_rounds(const __u8 *tables, int table, int step,
							 const __u32 *keys, struct aes_block s)
{
	const int back = 4 - step;
	int round, i;

#pragma unroll
	for (round = 2; round < AES_ROUNDS; round++) {
		struct aes_block t;

#pragma unroll
		for (i = 0; i < 4; i++) {
			t.columns[i] = keys[4 * round + i] ^
				       aes_mix(tables, table, s.columns[i],
					       s.columns[(i + step) & 3], s.columns[(i + 2) & 3],
					       s.columns[(i + back) & 3]);
			/* Two columns at a time: four at once would not fit the registers. */
			if (i & 1)
				asm volatile("" : "+r"(t.columns[i]));
		}
		s = t;
	}
	return s;
}

#endif
