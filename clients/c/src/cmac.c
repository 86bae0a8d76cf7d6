/* SPDX-License-Identifier: Apache-2.0 */
#include "cmac.h"

#include <string.h>

/* Doubling in the field of RFC 4493, section 2.3. */
static void double_block(uint8_t block[16])
{
	unsigned carry = block[0] >> 7;
	for (unsigned i = 0; i < 15; i++) block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
	block[15] = (uint8_t)(block[15] << 1 ^ (0x87 & -carry));
}

static void add(uint8_t block[16], const uint8_t octets[16])
{
	for (unsigned i = 0; i < 16; i++) block[i] ^= octets[i];
}

void cdc_cmac_init(struct cdc_cmac *cmac, const uint8_t key[16])
{
	cdc_aes_init(&cmac->aes, key);
	memset(cmac->subkey, 0, sizeof(cmac->subkey));
	cdc_aes_encrypt(&cmac->aes, cmac->subkey);
	double_block(cmac->subkey);
}

void cdc_cmac(const struct cdc_cmac *cmac, const uint8_t *octets, size_t length, uint8_t mac[16])
{
	uint8_t last[16];
	memcpy(last, cmac->subkey, sizeof(last));
	memset(mac, 0, 16);
	for (; length > 16; octets += 16, length -= 16) {
		add(mac, octets);
		cdc_aes_encrypt(&cmac->aes, mac);
	}
	if (length < 16) double_block(last);
	for (size_t i = 0; i < length; i++) last[i] ^= octets[i];
	if (length < 16) last[length] ^= 0x80;
	add(mac, last);
	cdc_aes_encrypt(&cmac->aes, mac);
	explicit_bzero(last, sizeof(last));
}
