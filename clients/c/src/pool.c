/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

bool cdc_pool_init(struct cdc_pool *pool, uint32_t size)
{
	*pool = (struct cdc_pool){.size = size};
	pool->ring = calloc(size, sizeof(*pool->ring));
	return pool->ring != NULL;
}

void cdc_pool_free(struct cdc_pool *pool)
{
	free(pool->ring);
	pool->ring = NULL;
}

static uint32_t place(const struct cdc_pool *pool, uint32_t index)
{
	uint32_t at = pool->first + index;
	return at < pool->size ? at : at - pool->size;
}

void cdc_pool_push(struct cdc_pool *pool, const struct cdc_batch *batch)
{
	for (uint32_t i = 0; i < batch->count && pool->count < pool->size; i++) {
		struct cdc_pooled *pooled = &pool->ring[place(pool, pool->count)];
		size_t length = batch->cid_length;
		memcpy(pooled->cid, batch->cids.at + i * length, length);
		memcpy(pooled->token, batch->tokens.at + (size_t)i * CIDECAR_TOKEN, CIDECAR_TOKEN);
		pooled->routable = batch->routable;
		pool->count++;
	}
}

const struct cdc_pooled *cdc_pool_next(const struct cdc_pool *pool)
{
	return pool->count > 0 ? &pool->ring[pool->first] : NULL;
}

void cdc_pool_shift(struct cdc_pool *pool)
{
	pool->first = place(pool, 1);
	pool->count--;
}

void cdc_pool_drop_all(struct cdc_pool *pool)
{
	pool->count = 0;
}

void cdc_pool_drop_unroutable(struct cdc_pool *pool)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < pool->count; i++) {
		const struct cdc_pooled *pooled = &pool->ring[place(pool, i)];
		if (!pooled->routable) continue;
		if (kept != i) pool->ring[place(pool, kept)] = *pooled;
		kept++;
	}
	pool->count = kept;
}
