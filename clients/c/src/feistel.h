/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CDC_FEISTEL_H
#define CDC_FEISTEL_H

#include "aes.h"

/* Passes that permute counters, where four encrypt a CID (docs/connection-ids.md, "Nonces"). */
#define CDC_PERMUTATION_PASSES 8
/* Passes that encrypt a CID. */
#define CDC_ENCRYPTION_PASSES 4

/*
 * The network of draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", with so many passes:
 * a permutation of all strings of `length` octets, 2 to 20.
 */
void cdc_feistel(const struct cdc_aes *aes, uint8_t *octets, size_t length, unsigned passes);

#endif
