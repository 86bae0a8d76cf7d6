/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA256 (RFC 2104, FIPS 180-4) of what is as short as a CID, with keys of 16 octets: the
 * reset tokens of stacks that make theirs themselves. */
#ifndef CDC_HMAC_H
#define CDC_HMAC_H

#include <stddef.h>
#include <stdint.h>

/* Octets of the longest message. */
#define CDC_HMAC_MOST 55

/* What the key made of the hash's state, inside and outside; the key itself is not kept. */
struct cdc_hmac {
	uint32_t inside[8];
	uint32_t outside[8];
};

void cdc_hmac_init(struct cdc_hmac *hmac, const uint8_t key[16]);
/* Writes the first 16 of 32 octets; `length` is CDC_HMAC_MOST at most. */
void cdc_hmac_16(
	const struct cdc_hmac *hmac, const uint8_t *octets, size_t length, uint8_t mac[16]);

#endif
