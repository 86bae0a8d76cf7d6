/* SPDX-License-Identifier: Apache-2.0 */
#include "feistel.h"

#include <string.h>

/* The halves share the middle octet where the length is odd: its upper nibble is the end of the
 * left half, its lower nibble the start of the right half. */
struct halves {
	uint8_t left[16];
	uint8_t right[16];
	size_t half;
	uint8_t left_mask;  /* of the last octet of the left half */
	uint8_t right_mask; /* of the first octet of the right half */
	uint8_t length;
};

static void split(struct halves *halves, const uint8_t *octets, size_t length)
{
	size_t half = (length + 1) / 2;
	*halves = (struct halves){.half = half, .length = (uint8_t)length};
	halves->left_mask = length % 2 == 1 ? 0xf0 : 0xff;
	halves->right_mask = length % 2 == 1 ? 0x0f : 0xff;
	memcpy(halves->left, octets, half);
	memcpy(halves->right, octets + length - half, half);
	halves->left[half - 1] &= halves->left_mask;
	halves->right[0] &= halves->right_mask;
}

static void stream_of(const struct cdc_aes *aes, const uint8_t *half, const struct halves *halves,
	unsigned pass, uint8_t stream[16])
{
	memset(stream, 0, 16);
	memcpy(stream, half, halves->half);
	stream[14] = halves->length;
	stream[15] = (uint8_t)pass;
	cdc_aes_encrypt(aes, stream);
}

void cdc_feistel(const struct cdc_aes *aes, uint8_t *octets, size_t length, unsigned passes)
{
	struct halves halves;
	uint8_t stream[16];
	split(&halves, octets, length);
	for (unsigned pass = 1; pass <= passes; pass++) {
		if (pass % 2 == 1) {
			stream_of(aes, halves.left, &halves, pass, stream);
			stream[0] &= halves.right_mask;
			for (size_t i = 0; i < halves.half; i++) halves.right[i] ^= stream[i];
		} else {
			stream_of(aes, halves.right, &halves, pass, stream);
			stream[halves.half - 1] &= halves.left_mask;
			for (size_t i = 0; i < halves.half; i++) halves.left[i] ^= stream[i];
		}
	}
	if (length % 2 == 1) halves.right[0] |= halves.left[halves.half - 1];
	memcpy(octets, halves.left, halves.half);
	memcpy(octets + length - halves.half, halves.right, halves.half);
}
