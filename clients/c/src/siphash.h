/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose values nobody can predict without the
 * key. */
#ifndef CDC_SIPHASH_H
#define CDC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct cdc_siphash {
	uint64_t key[2];
};

void cdc_siphash_init(struct cdc_siphash *hash, const uint8_t key[16]);
uint64_t cdc_siphash(const struct cdc_siphash *hash, const uint8_t *octets, size_t length);

#endif
