/* SPDX-License-Identifier: Apache-2.0 */
#include "hmac.h"

#include <string.h>

#define BLOCK 64

/* clang-format off */
/* The first 32 bits of the fractions of the square roots of the first 8 primes. */
static const uint32_t start[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
/* The same of the cube roots of the first 64. */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

static uint32_t turn(uint32_t word, unsigned bits)
{
	return word >> bits | word << (32 - bits);
}

static void spread(const uint8_t block[BLOCK], uint32_t words[64])
{
	for (unsigned i = 0; i < 16; i++) {
		words[i] = 0;
		for (unsigned j = 0; j < 4; j++) words[i] = words[i] << 8 | block[4 * i + j];
	}
	for (unsigned i = 16; i < 64; i++) {
		uint32_t near = words[i - 2];
		uint32_t far = words[i - 15];
		words[i] = words[i - 16] + words[i - 7] +
			   (turn(far, 7) ^ turn(far, 18) ^ far >> 3) +
			   (turn(near, 17) ^ turn(near, 19) ^ near >> 10);
	}
}

/* FIPS 180-4, section 6.2.2. The working variables are a to h, in this order. */
static void compress(uint32_t state[8], const uint8_t block[BLOCK])
{
	uint32_t words[64];
	uint32_t v[8];
	spread(block, words);
	memcpy(v, state, sizeof(v));
	for (unsigned i = 0; i < 64; i++) {
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		uint32_t one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + choice +
			       constants[i] + words[i];
		uint32_t other = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) + majority;
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += one;
		v[0] = one + other;
	}
	for (unsigned i = 0; i < 8; i++) state[i] += v[i];
	explicit_bzero(words, sizeof(words));
}

static void begin(uint32_t state[8], const uint8_t key[16], uint8_t filling)
{
	uint8_t block[BLOCK];
	memset(block, filling, sizeof(block));
	for (unsigned i = 0; i < 16; i++) block[i] ^= key[i];
	memcpy(state, start, sizeof(start));
	compress(state, block);
	explicit_bzero(block, sizeof(block));
}

void cdc_hmac_init(struct cdc_hmac *hmac, const uint8_t key[16])
{
	begin(hmac->inside, key, 0x36);
	begin(hmac->outside, key, 0x5c);
}

/* The last block of a message of which one block went before. */
static void finish(uint32_t state[8], const uint8_t *octets, size_t length)
{
	uint8_t block[BLOCK] = {0};
	size_t bits = 8 * (BLOCK + length);
	memcpy(block, octets, length);
	block[length] = 0x80;
	block[BLOCK - 2] = (uint8_t)(bits >> 8);
	block[BLOCK - 1] = (uint8_t)bits;
	compress(state, block);
}

static void write_words(const uint32_t *words, size_t count, uint8_t *octets)
{
	for (size_t i = 0; i < 4 * count; i++) {
		octets[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
	}
}

void cdc_hmac_16(const struct cdc_hmac *hmac, const uint8_t *octets, size_t length, uint8_t mac[16])
{
	uint32_t state[8];
	uint8_t inner[32];
	memcpy(state, hmac->inside, sizeof(state));
	finish(state, octets, length);
	write_words(state, 8, inner);
	memcpy(state, hmac->outside, sizeof(state));
	finish(state, inner, sizeof(inner));
	write_words(state, 4, mac);
}
