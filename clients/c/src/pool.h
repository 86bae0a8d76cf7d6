/* SPDX-License-Identifier: Apache-2.0 */
/* The CIDs of the sidecar that were not taken yet: a ring. All of them are of one generation. */
#ifndef CDC_POOL_H
#define CDC_POOL_H

#include "cidecar/cidecar.h"
#include "messages.h"

struct cdc_pooled {
	uint8_t cid[CIDECAR_MAX_CID];
	uint8_t token[CIDECAR_TOKEN];
	uint8_t routable;
};

struct cdc_pool {
	struct cdc_pooled *ring;
	uint32_t size;
	uint32_t first;
	uint32_t count;
};

/* Returns false where there is no memory. */
bool cdc_pool_init(struct cdc_pool *pool, uint32_t size);
void cdc_pool_free(struct cdc_pool *pool);

/* The batch was checked, and fits. */
void cdc_pool_push(struct cdc_pool *pool, const struct cdc_batch *batch);

/* The next one; NULL where there is none. Good until the next call. */
const struct cdc_pooled *cdc_pool_next(const struct cdc_pool *pool);
void cdc_pool_shift(struct cdc_pool *pool);

void cdc_pool_drop_all(struct cdc_pool *pool);
void cdc_pool_drop_unroutable(struct cdc_pool *pool);

#endif
