/* SPDX-License-Identifier: Apache-2.0 */
#include "siphash.h"

/* A little endian word of what there is, up to 8 octets. */
static uint64_t word_of(const uint8_t *octets, size_t length)
{
	uint64_t word = 0;
	for (size_t i = 0; i < length && i < 8; i++) word |= (uint64_t)octets[i] << (8 * i);
	return word;
}

static uint64_t turn(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = turn(v[1], 13) ^ v[0];
		v[3] = turn(v[3], 16) ^ v[2];
		v[0] = turn(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = turn(v[1], 17) ^ v[2];
		v[3] = turn(v[3], 21) ^ v[0];
		v[2] = turn(v[2], 32);
	}
}

static void take(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v, 2);
	v[0] ^= word;
}

void cdc_siphash_init(struct cdc_siphash *hash, const uint8_t key[16])
{
	hash->key[0] = word_of(key, 8);
	hash->key[1] = word_of(key + 8, 8);
}

uint64_t cdc_siphash(const struct cdc_siphash *hash, const uint8_t *octets, size_t length)
{
	uint64_t v[4] = {
		hash->key[0] ^ UINT64_C(0x736f6d6570736575),
		hash->key[1] ^ UINT64_C(0x646f72616e646f6d),
		hash->key[0] ^ UINT64_C(0x6c7967656e657261),
		hash->key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t all = length;
	for (; length >= 8; octets += 8, length -= 8) take(v, word_of(octets, 8));
	take(v, all << 56 | word_of(octets, length));
	v[2] ^= 0xff;
	mix(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
