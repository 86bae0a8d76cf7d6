/* SPDX-License-Identifier: Apache-2.0 */
/* Makes CIDs by the terms of a lease (docs/connection-ids.md and docs/sidecar.md of the project).
 */
#ifndef CDC_MINTER_H
#define CDC_MINTER_H

#include "cidecar/cidecar.h"
#include "cmac.h"
#include "hmac.h"
#include "protobuf.h"

/* Octets of server ID and nonce together, of a CID of 20 octets. */
#define CDC_MAX_BLOCK (CIDECAR_MAX_CID - 1)

/* Holds keys: cdc_minter_forget() when it is of no use any more. */
struct cdc_minter {
	uint64_t generation;
	uint32_t left; /* CIDs that can still be made */
	bool katran;
	bool self_encoded;
	bool encrypts; /* else `cipher` permutes counters */
	bool hmac;     /* else tokens are CMACs */
	uint8_t config_id;
	uint8_t cid_length;
	uint8_t server_id_length;
	uint8_t nonce_length;
	uint8_t use_length;
	uint8_t server_id[CDC_MAX_BLOCK];
	uint8_t counter[CDC_MAX_BLOCK]; /* the next one, big endian */
	uint8_t use[CIDECAR_MAX_CID];   /* what the server-use octets begin with */
	uint8_t use_given;
	struct cdc_aes cipher;
	union {
		struct cdc_cmac cmac;
		struct cdc_hmac hmac;
	} tokens;
	uint8_t random[256]; /* so that not every CID costs a system call */
	size_t random_used;
};

/*
 * Reads a LeaseNoncesResponse. `use` is what the server-use octets of all CIDs begin with. Returns
 * NULL, or why the lease cannot be used; the minter is then empty.
 */
const char *cdc_minter_read(
	struct cdc_minter *minter, struct cdc_octets message, struct cdc_octets use);

/* Makes the CID of the next counter: `left` is above 0. Returns false where the system has no
 * random octets; the counter is used then too. */
bool cdc_minter_make(struct cdc_minter *minter, struct cidecar_cid *cid);

/* Overwrites the keys. */
void cdc_minter_forget(struct cdc_minter *minter);

#endif
