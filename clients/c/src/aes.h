/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-128 (FIPS 197), in one direction: for 0b111 CIDs while the sidecar is away, and for CIDs that
 * are minted from a lease. The key of a lease is that of the whole fleet, so nothing here depends
 * on a key or a block in which memory it reads or which way it branches. A block takes one or two
 * microseconds.
 *
 * OpenSSL is faster. It would be a second shared library, of which a server on GnuTLS has no other
 * use; and a handshake costs some hundred times what the few blocks of a CID do.
 */
#ifndef CDC_AES_H
#define CDC_AES_H

#include <stddef.h>
#include <stdint.h>

/* A bit of each of the 16 octets of a block. */
typedef uint16_t cdc_plane;

/* The round keys, the plane of the lowest bits first. */
struct cdc_aes {
	cdc_plane keys[11][8];
};

void cdc_aes_init(struct cdc_aes *aes, const uint8_t key[16]);
void cdc_aes_encrypt(const struct cdc_aes *aes, uint8_t block[16]);

#endif
