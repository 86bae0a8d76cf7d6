/* SPDX-License-Identifier: Apache-2.0 */
/* Closing the connections of a reissue, with connections that are none. */
#include "../adapters/ngtcp2/server.h"
#include "test.h"

#define COUNT 50

static cidecar_ngtcp2 *server;
static struct cidecar_ngtcp2_cids connections[COUNT];
static size_t closed[COUNT];
static size_t closed_count;

static void close_connection(void *user, void *connection)
{
	(void)user;
	struct cidecar_ngtcp2_cids *cids = connection;
	closed[closed_count] = (size_t)(cids - connections);
	closed_count++;
	cidecar_ngtcp2_end(cids);
}

/* As cidecar_ngtcp2_accept() does, of which a sidecar would be a part. */
static void add(size_t at, uint64_t generation, int64_t active_at)
{
	struct cidecar_ngtcp2_cids *cids = &connections[at];
	memset(cids, 0, sizeof(*cids));
	cids->server = server;
	cids->connection = cids;
	cids->active_at = active_at;
	cids->oldest = generation;
	cids->next = server->first;
	if (server->first != NULL) server->first->previous = cids;
	server->first = cids;
	server->connections++;
}

static void test_cids(void)
{
	struct cidecar_ngtcp2_cids cids = {.server = server, .count = 3, .oldest = 5};
	cids.cids[0] = (struct cidecar_ngtcp2_cid){5, 2, {1, 1}};
	cids.cids[1] = (struct cidecar_ngtcp2_cid){CDC_NOT_ROUTABLE, 2, {2, 2}};
	cids.cids[2] = (struct cidecar_ngtcp2_cid){6, 2, {3, 3}};
	ngtcp2_cid cid = {.datalen = 2, .data = {9, 9}};
	cidecar_ngtcp2_retired(&cids, &cid);
	CHECK(cids.count == 3);
	cid.data[0] = cid.data[1] = 1;
	cidecar_ngtcp2_retired(&cids, &cid);
	CHECK(cids.count == 2 && cids.oldest == 6);
	cid.data[0] = cid.data[1] = 3;
	cidecar_ngtcp2_retired(&cids, &cid);
	CHECK(cids.count == 1 && cids.oldest == CDC_NOT_ROUTABLE);

	/* More than are told apart: the oldest counts until the last of them is retired. */
	cids = (struct cidecar_ngtcp2_cids){.server = server, .oldest = CDC_NOT_ROUTABLE};
	for (uint8_t i = 0; i < 24; i++) {
		struct cidecar_cid taken = {.cid = {i, i}, .length = 2, .routable = true};
		taken.generation = i < 20 ? 5 : 6;
		cdc_ngtcp2_remember(&cids, &taken);
	}
	for (uint8_t i = 0; i < 24; i++) {
		CHECK(cids.oldest == 5);
		cid.data[0] = cid.data[1] = i;
		cidecar_ngtcp2_retired(&cids, &cid);
	}
	CHECK(cids.oldest == CDC_NOT_ROUTABLE && cids.count == 0 && cids.more == 0);
	struct cidecar_cid newer = {.length = 2, .routable = true, .generation = 7};
	cdc_ngtcp2_remember(&cids, &newer);
	CHECK(cids.oldest == 7);
}

void test_spread(void)
{
	struct cidecar_ngtcp2_options options = {
		.client = {.socket = "/nowhere"},
		.close = close_connection,
	};
	CHECK(cidecar_ngtcp2_connect(&server, &options) == 0);
	test_cids();
	/* Those of the order go, idle first; others stay, as do those without a routable CID. */
	for (size_t i = 0; i < COUNT; i++) {
		uint64_t generation = i % 5 == 0 ? 8 : 7;
		add(i, i == 1 ? CDC_NOT_ROUTABLE : generation, (int64_t)((i * 7) % COUNT));
	}
	cdc_spread_begin(server, 7, cidecar_now() - 1);
	/* One that ends by itself before its time. */
	cidecar_ngtcp2_end(&connections[2]);
	cidecar_ngtcp2_end(&connections[2]);
	cdc_spread_continue(server);
	CHECK(closed_count == 38 && server->connections == 11);
	for (size_t i = 1; i < closed_count; i++) {
		CHECK(closed[i] * 7 % COUNT > closed[i - 1] * 7 % COUNT);
	}
	for (size_t i = 0; i < closed_count; i++) {
		CHECK(closed[i] % 5 != 0 && closed[i] != 1 && closed[i] != 2);
	}
	cdc_spread_continue(server);
	CHECK(closed_count == 38);

	/* With time to the deadline one goes at once, and the others later; another order keeps the
	 * sooner deadline. */
	int64_t hour = INT64_C(3600) * 1000000000;
	int64_t now = cidecar_now();
	cdc_spread_begin(server, 8, now + hour);
	cdc_spread_continue(server);
	CHECK(closed_count == 39 && server->pace.items == 10);
	cdc_spread_begin(server, 9, now + 2 * hour);
	CHECK(server->deadline == now + hour && server->through == 9 && server->pace.items == 9);
	cdc_spread_begin(server, 9, now - 1);
	cdc_spread_continue(server);
	CHECK(closed_count == 48 && server->connections == 1);
	cidecar_ngtcp2_end(&connections[1]);
	CHECK(server->first == NULL && server->connections == 0);
	cidecar_ngtcp2_close(server);
}
