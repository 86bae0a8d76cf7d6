/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 0b111 CIDs, which are made in this process while a pool is dry: none twice before all of a form
 * were made. Each form has a counter that begins at random, under a permutation with a random key.
 */
#ifndef CDC_FAILOVER_H
#define CDC_FAILOVER_H

#include <stdatomic.h>

#include "cidecar/cidecar.h"
#include "cmac.h"

#define CDC_MIN_CID 8
/* Octets after the first that are zeroes with zero_host_id. */
#define CDC_ZEROES 4

struct cdc_failover {
	uint8_t cid_length;
	bool zero_host_id;
	struct cdc_aes permutation;
	struct cdc_cmac tokens;
	uint8_t start[CIDECAR_MAX_CID];
	atomic_uint_fast64_t used;
};

/* Begins the counter with these 52 octets: two keys and the start. */
void cdc_failover_init(
	struct cdc_failover *form, size_t cid_length, bool zero_host_id, const uint8_t random[52]);

/* The maker of a form, of which a process has one, because no CID may leave it twice whichever
 * client makes it. NULL where the system has no random octets. */
struct cdc_failover *cdc_failover_of_process(size_t cid_length, bool zero_host_id);

/* Writes cid, length, routable and token. Returns true where all CIDs of the form had been made, so
 * that they begin again with this one, the oldest. */
bool cdc_failover_make(struct cdc_failover *form, struct cidecar_cid *cid);

#endif
