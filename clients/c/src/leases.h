/* SPDX-License-Identifier: Apache-2.0 */
/* The leases from which a client mints CIDs, and the question for the next one. */
#ifndef CDC_LEASES_H
#define CDC_LEASES_H

#include "minter.h"

/* That in use, and the one after it. */
#define CDC_LEASES 2
/* Room for a LeaseNoncesRequest. */
#define CDC_LEASE_REQUEST 16

struct cdc_leases {
	uint32_t wanted;  /* nonces to ask for; 0 where there is nothing to ask */
	bool asked;       /* an answer is on its way */
	int64_t given_up; /* when it is of no use any more */
	unsigned count;
	struct cdc_minter minters[CDC_LEASES]; /* the first is in use */
};

/* CIDs that can be minted in this generation. */
uint32_t cdc_leases_left(const struct cdc_leases *leases, uint64_t generation);

/* Keeps the leases of this generation, and those of a later one that the sidecar has not announced
 * yet; none where the sidecar began anew, because others may have their nonces now. */
void cdc_leases_keep(struct cdc_leases *leases, uint64_t generation, bool anew);

/* The lease is used up, or of no use. */
void cdc_leases_drop_first(struct cdc_leases *leases);

/* Overwrites all keys. */
void cdc_leases_forget(struct cdc_leases *leases);

#endif
