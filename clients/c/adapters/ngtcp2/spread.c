/* SPDX-License-Identifier: Apache-2.0 */
/* Closes the connections of a reissue, spread over the time to its deadline. */
#include <stdlib.h>

#include "server.h"

/* Nanoseconds. */
#define RETRY_AFTER INT64_C(1000000000)

static int by_activity(const void *one, const void *other)
{
	const struct cidecar_ngtcp2_cids *const *left = one;
	const struct cidecar_ngtcp2_cids *const *right = other;
	int64_t difference = (*left)->active_at - (*right)->active_at;
	return difference < 0 ? -1 : difference > 0;
}

static bool under_way(const cidecar_ngtcp2 *server)
{
	return server->pace.done < server->pace.items;
}

static void forget_order(cidecar_ngtcp2 *server)
{
	free(server->order);
	server->order = NULL;
	server->pace = (struct cidecar_pace){0};
}

void cdc_spread_begin(cidecar_ngtcp2 *server, uint64_t through, int64_t deadline)
{
	/* Of two orders, the sooner deadline counts for both. */
	if (under_way(server) || server->retry_at != INT64_MAX) {
		if (server->deadline < deadline) deadline = server->deadline;
		if (server->through > through) through = server->through;
	}
	forget_order(server);
	server->through = through;
	server->deadline = deadline;
	server->retry_at = INT64_MAX;
	if (server->connections == 0) return;
	server->order = calloc(server->connections, sizeof(server->order[0]));
	if (server->order == NULL) {
		server->retry_at = cidecar_now() + RETRY_AFTER;
		return;
	}
	size_t count = 0;
	for (struct cidecar_ngtcp2_cids *each = server->first; each != NULL; each = each->next) {
		/* Also covers those without a routable CID. */
		if (each->oldest > through) continue;
		server->order[count] = each;
		count++;
	}
	qsort(server->order, count, sizeof(server->order[0]), by_activity);
	for (size_t i = 0; i < count; i++) server->order[i]->place = i;
	cidecar_pace_begin(&server->pace, count, cidecar_now(), deadline);
}

void cdc_spread_continue(cidecar_ngtcp2 *server)
{
	int64_t now = cidecar_now();
	if (server->retry_at <= now) cdc_spread_begin(server, server->through, server->deadline);
	size_t next = server->pace.done;
	for (size_t left = cidecar_pace_due(&server->pace, now); left > 0; left--, next++) {
		struct cidecar_ngtcp2_cids *cids = server->order[next];
		if (cids != NULL) server->close(server->user, cids->connection);
	}
	int64_t alarm = cidecar_pace_next(&server->pace);
	cidecar_alarm(server->client, alarm < server->retry_at ? alarm : server->retry_at);
	if (!under_way(server)) forget_order(server);
}

void cdc_spread_forget(cidecar_ngtcp2 *server, struct cidecar_ngtcp2_cids *cids)
{
	bool there = server->order != NULL && cids->place < server->pace.items;
	if (there && server->order[cids->place] == cids) server->order[cids->place] = NULL;
}

void cdc_spread_free(cidecar_ngtcp2 *server)
{
	free(server->order);
}
