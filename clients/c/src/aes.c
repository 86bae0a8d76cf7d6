/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is held as eight planes, each with one bit of all its octets: octet n of the block is bit
 * n of each plane. The S-box is computed, so there are no tables.
 */
#include "aes.h"

#include <string.h>

#define PLANES 8
#define ROUNDS 10

static void to_planes(const uint8_t block[16], cdc_plane planes[PLANES])
{
	memset(planes, 0, PLANES * sizeof(planes[0]));
	for (unsigned octet = 0; octet < 16; octet++) {
		for (unsigned bit = 0; bit < PLANES; bit++) {
			planes[bit] |= (cdc_plane)((block[octet] >> bit & 1) << octet);
		}
	}
}

static void from_planes(const cdc_plane planes[PLANES], uint8_t block[16])
{
	memset(block, 0, 16);
	for (unsigned octet = 0; octet < 16; octet++) {
		for (unsigned bit = 0; bit < PLANES; bit++) {
			block[octet] |= (uint8_t)((planes[bit] >> octet & 1) << bit);
		}
	}
}

/* A polynomial of up to 15 terms, modulo x^8 + x^4 + x^3 + x + 1. */
static inline void reduce(cdc_plane product[2 * PLANES], cdc_plane result[PLANES])
{
#pragma GCC unroll 8
	for (unsigned i = 2 * PLANES - 2; i >= PLANES; i--) {
		product[i - 8] ^= product[i];
		product[i - 7] ^= product[i];
		product[i - 5] ^= product[i];
		product[i - 4] ^= product[i];
	}
	memcpy(result, product, PLANES * sizeof(result[0]));
}

static void multiply(
	const cdc_plane one[PLANES], const cdc_plane other[PLANES], cdc_plane result[PLANES])
{
	cdc_plane product[2 * PLANES] = {0};
#pragma GCC unroll 8
	for (unsigned i = 0; i < PLANES; i++) {
#pragma GCC unroll 8
		for (unsigned j = 0; j < PLANES; j++) product[i + j] ^= one[i] & other[j];
	}
	reduce(product, result);
}

static void square(const cdc_plane of[PLANES], unsigned times, cdc_plane result[PLANES])
{
	memcpy(result, of, PLANES * sizeof(result[0]));
	while (times-- > 0) {
		cdc_plane product[2 * PLANES] = {0};
#pragma GCC unroll 8
		for (size_t i = 0; i < PLANES; i++) product[2 * i] = result[i];
		reduce(product, result);
	}
}

/* The S-box (FIPS 197, section 5.1.1): the inverse, which is the 254th power, and an affine map. */
static void substitute(cdc_plane planes[PLANES])
{
	const unsigned constant = 0x63;
	cdc_plane power_2[PLANES];
	cdc_plane power_12[PLANES];
	cdc_plane power[PLANES];
	square(planes, 1, power_2);
	multiply(power_2, planes, power); /* 3 */
	square(power, 2, power_12);
	multiply(power_12, power, power); /* 15 */
	square(power, 4, power);          /* 240 */
	multiply(power, power_12, power); /* 252 */
	multiply(power, power_2, power);  /* 254 */
	for (unsigned i = 0; i < PLANES; i++) {
		planes[i] = power[i] ^ power[(i + 4) % 8] ^ power[(i + 5) % 8] ^
			    power[(i + 6) % 8] ^ power[(i + 7) % 8] ^
			    (cdc_plane) - (constant >> i & 1);
	}
}

/* Row r is every fourth octet from r on, and turns by r columns. */
static void shift_rows(cdc_plane planes[PLANES])
{
	for (unsigned i = 0; i < PLANES; i++) {
		unsigned plane = planes[i];
		unsigned shifted = plane & 0x1111;
		for (unsigned row = 1; row < 4; row++) {
			unsigned of_row = plane & 0x1111U << row;
			shifted |= of_row >> 4 * row | of_row << (16 - 4 * row);
		}
		planes[i] = (cdc_plane)shifted;
	}
}

/* Each octet becomes that so many rows below it in its column. */
static cdc_plane row_below(cdc_plane plane, unsigned rows)
{
	unsigned low = 0x1111U * (0xfU >> rows);
	return (cdc_plane)((plane >> rows & low) | (plane << (4 - rows) & ~low));
}

static void mix_columns(cdc_plane planes[PLANES])
{
	cdc_plane sum[PLANES]; /* of each octet and that below it */
	cdc_plane below[PLANES];
	for (unsigned i = 0; i < PLANES; i++) {
		below[i] = row_below(planes[i], 1);
		sum[i] = planes[i] ^ below[i];
	}
	for (unsigned i = 0; i < PLANES; i++) {
		cdc_plane twice = i == 0 ? 0 : sum[i - 1];
		if (0x1bU >> i & 1) twice ^= sum[PLANES - 1];
		planes[i] = twice ^ below[i] ^ row_below(sum[i], 2);
	}
}

static void add_key(cdc_plane planes[PLANES], const cdc_plane key[PLANES])
{
	for (unsigned i = 0; i < PLANES; i++) planes[i] ^= key[i];
}

/* SubWord and RotWord of FIPS 197, section 5.2. */
static void change_word(uint8_t word[4])
{
	uint8_t block[16] = {word[1], word[2], word[3], word[0]};
	cdc_plane planes[PLANES];
	to_planes(block, planes);
	substitute(planes);
	from_planes(planes, block);
	memcpy(word, block, 4);
}

void cdc_aes_init(struct cdc_aes *aes, const uint8_t key[16])
{
	static const uint8_t constants[ROUNDS] = {
		0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
	uint8_t round_key[16];
	memcpy(round_key, key, sizeof(round_key));
	to_planes(round_key, aes->keys[0]);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t word[4];
		memcpy(word, round_key + 12, sizeof(word));
		change_word(word);
		word[0] ^= constants[round];
		for (unsigned i = 0; i < 4; i++) round_key[i] ^= word[i];
		for (unsigned i = 4; i < 16; i++) round_key[i] ^= round_key[i - 4];
		to_planes(round_key, aes->keys[round + 1]);
	}
	explicit_bzero(round_key, sizeof(round_key));
}

void cdc_aes_encrypt(const struct cdc_aes *aes, uint8_t block[16])
{
	cdc_plane planes[PLANES];
	to_planes(block, planes);
	add_key(planes, aes->keys[0]);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		substitute(planes);
		shift_rows(planes);
		if (round < ROUNDS) mix_columns(planes);
		add_key(planes, aes->keys[round]);
	}
	from_planes(planes, block);
}
