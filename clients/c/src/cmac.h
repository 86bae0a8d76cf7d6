/* SPDX-License-Identifier: Apache-2.0 */
/* AES-CMAC (RFC 4493), which makes reset tokens. */
#ifndef CDC_CMAC_H
#define CDC_CMAC_H

#include "aes.h"

struct cdc_cmac {
	struct cdc_aes aes;
	uint8_t subkey[16]; /* K1 of the RFC */
};

void cdc_cmac_init(struct cdc_cmac *cmac, const uint8_t key[16]);
void cdc_cmac(const struct cdc_cmac *cmac, const uint8_t *octets, size_t length, uint8_t mac[16]);

#endif
