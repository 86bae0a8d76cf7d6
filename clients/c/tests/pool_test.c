/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/pool.h"
#include "test.h"

static uint32_t pushed;

/* Pushes CIDs that are numbered. */
static void push(struct cdc_pool *pool, uint32_t count, bool routable)
{
	uint8_t cids[8 * 16];
	uint8_t tokens[CIDECAR_TOKEN * 16];
	struct cdc_batch batch = {
		.cids = {cids, (size_t)count * 8},
		.tokens = {tokens, (size_t)count * CIDECAR_TOKEN},
		.count = count,
		.cid_length = 8,
		.routable = routable,
	};
	for (uint32_t i = 0; i < count; i++, pushed++) {
		memset(cids + (size_t)i * 8, (int)(pushed & 0xff), 8);
		memset(tokens + (size_t)i * CIDECAR_TOKEN, (int)(pushed & 0xff), CIDECAR_TOKEN);
	}
	cdc_pool_push(pool, &batch);
}

/* Whether the next one has this number. */
static bool shifts(struct cdc_pool *pool, uint32_t number)
{
	const struct cdc_pooled *next = cdc_pool_next(pool);
	CHECK(next != NULL);
	bool same = next->cid[7] == (number & 0xff) && next->token[15] == (number & 0xff);
	cdc_pool_shift(pool);
	return same;
}

void test_pool(void)
{
	struct cdc_pool pool;
	CHECK(cdc_pool_init(&pool, 16));
	CHECK(cdc_pool_next(&pool) == NULL);
	/* In order, each once, round the ring and over its end. */
	uint32_t taken = 0;
	for (int round = 0; round < 50; round++) {
		push(&pool, 11, true);
		while (pool.count > 5) {
			CHECK(shifts(&pool, taken));
			taken++;
		}
	}
	while (pool.count > 0) {
		CHECK(shifts(&pool, taken));
		taken++;
	}
	CHECK(taken == pushed);

	/* Those that are not routable go from between the others, also over the end of the ring. */
	for (uint32_t first = 0; first < 16; first++) {
		pool.first = first;
		uint32_t start = pushed;
		push(&pool, 3, true);
		push(&pool, 5, false);
		push(&pool, 4, true);
		push(&pool, 2, false);
		cdc_pool_drop_unroutable(&pool);
		CHECK(pool.count == 7);
		for (uint32_t i = 0; i < 3; i++) CHECK(shifts(&pool, start + i));
		for (uint32_t i = 8; i < 12; i++) CHECK(shifts(&pool, start + i));
	}
	push(&pool, 9, true);
	cdc_pool_drop_all(&pool);
	CHECK(pool.count == 0 && cdc_pool_next(&pool) == NULL);
	cdc_pool_free(&pool);
}
