/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-128 (FIPS 197), in one direction, and AES-CMAC (RFC 4493). It makes 0b111 CIDs and their
 * tokens while the sidecar is away. It is slow, and does not hide its key from who measures the
 * caches of this machine, which is enough for keys that end with the process.
 */
#ifndef CDC_AES_H
#define CDC_AES_H

#include <stddef.h>
#include <stdint.h>

struct cdc_aes {
	uint8_t keys[176];
};

void cdc_aes_init(struct cdc_aes *aes, const uint8_t key[16]);
void cdc_aes_encrypt(const struct cdc_aes *aes, uint8_t block[16]);
void cdc_cmac(const struct cdc_aes *aes, const uint8_t *octets, size_t length, uint8_t mac[16]);

#endif
