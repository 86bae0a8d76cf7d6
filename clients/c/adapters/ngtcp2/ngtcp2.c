/* SPDX-License-Identifier: Apache-2.0 */
#include "cidecar/ngtcp2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* Adds a connection to those of its generation. Where there is no room for another generation, it
 * counts under the oldest, so that a rotation waits rather than not. */
static size_t add_held(struct cidecar_held *held, size_t count, uint64_t generation)
{
	size_t oldest = 0;
	for (size_t i = 0; i < count; i++) {
		if (held[i].generation == generation) {
			held[i].connections++;
			return count;
		}
		if (held[i].generation < held[oldest].generation) oldest = i;
	}
	if (count == CIDECAR_MAX_HELD) {
		held[oldest].connections++;
		return count;
	}
	held[count] = (struct cidecar_held){generation, 1};
	return count + 1;
}

static size_t say_held(void *user, struct cidecar_held held[CIDECAR_MAX_HELD])
{
	const cidecar_ngtcp2 *server = user;
	size_t count = 0;
	const struct cidecar_ngtcp2_cids *each = server->first;
	for (; each != NULL; each = each->next) {
		if (each->oldest != CDC_NOT_ROUTABLE) count = add_held(held, count, each->oldest);
	}
	return count;
}

int cidecar_ngtcp2_connect(cidecar_ngtcp2 **server, const struct cidecar_ngtcp2_options *options)
{
	*server = NULL;
	cidecar_ngtcp2 *made = calloc(1, sizeof(*made));
	if (made == NULL) return -ENOMEM;
	made->close = options->close;
	made->event = options->event;
	made->user = options->user;
	made->retry_at = INT64_MAX;
	struct cidecar_options client = options->client;
	client.held = say_held;
	client.user = made;
	client.cannot_retire = true;
	int failed = cidecar_connect(&made->client, &client);
	if (failed) {
		free(made);
		return failed;
	}
	*server = made;
	return 0;
}

void cidecar_ngtcp2_close(cidecar_ngtcp2 *server)
{
	if (server == NULL) return;
	cidecar_close(server->client);
	cdc_spread_free(server);
	free(server);
}

cidecar_client *cidecar_ngtcp2_client(cidecar_ngtcp2 *server)
{
	return server->client;
}

void cidecar_ngtcp2_service(cidecar_ngtcp2 *server)
{
	struct cidecar_event event;
	cidecar_service(server->client);
	while (cidecar_next_event(server->client, &event)) {
		if (event.type == CIDECAR_REISSUE) {
			cdc_spread_begin(server, event.through_generation, event.deadline);
		}
		if (server->event != NULL) server->event(server->user, &event);
	}
	cdc_spread_continue(server);
}

static uint64_t older(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static void find_oldest(struct cidecar_ngtcp2_cids *cids)
{
	cids->oldest = cids->more > 0 ? cids->oldest_of_more : CDC_NOT_ROUTABLE;
	for (size_t i = 0; i < cids->count; i++) {
		cids->oldest = older(cids->oldest, cids->cids[i].generation);
	}
}

void cdc_ngtcp2_remember(struct cidecar_ngtcp2_cids *cids, const struct cidecar_cid *taken)
{
	uint64_t generation = taken->routable ? taken->generation : CDC_NOT_ROUTABLE;
	if (cids->count < CIDECAR_NGTCP2_CIDS) {
		struct cidecar_ngtcp2_cid *cid = &cids->cids[cids->count];
		*cid = (struct cidecar_ngtcp2_cid){generation, taken->length, {0}};
		memcpy(cid->cid, taken->cid, sizeof(cid->cid));
		cids->count++;
	} else {
		if (cids->more == 0) cids->oldest_of_more = CDC_NOT_ROUTABLE;
		cids->oldest_of_more = older(cids->oldest_of_more, generation);
		cids->more++;
	}
	cids->oldest = older(cids->oldest, generation);
}

static int take(struct cidecar_ngtcp2_cids *cids, ngtcp2_cid *cid, uint8_t *token)
{
	struct cidecar_cid taken;
	int failed = cidecar_take(cids->server->client, &taken);
	if (failed) return failed;
	cid->datalen = taken.length;
	memcpy(cid->data, taken.cid, taken.length);
	memcpy(token, taken.token, sizeof(taken.token));
	cdc_ngtcp2_remember(cids, &taken);
	return 0;
}

int cidecar_ngtcp2_accept(cidecar_ngtcp2 *server, struct cidecar_ngtcp2_cids *cids,
	void *connection, ngtcp2_cid *scid, ngtcp2_transport_params *params)
{
	memset(cids, 0, sizeof(*cids));
	cids->server = server;
	cids->connection = connection;
	cids->oldest = CDC_NOT_ROUTABLE;
	int failed = take(cids, scid, params->stateless_reset_token);
	if (failed) {
		cids->server = NULL;
		return failed;
	}
	params->stateless_reset_token_present = 1;
	params->disable_active_migration = cids->oldest == CDC_NOT_ROUTABLE;
	cids->next = server->first;
	if (server->first != NULL) server->first->previous = cids;
	server->first = cids;
	server->connections++;
	cidecar_ngtcp2_active(cids);
	return 0;
}

int cidecar_ngtcp2_new_cid(
	struct cidecar_ngtcp2_cids *cids, ngtcp2_cid *cid, uint8_t *token, size_t length)
{
	if (cids->server == NULL) return NGTCP2_ERR_CALLBACK_FAILURE;
	if (length != cidecar_cid_length(cids->server->client)) return NGTCP2_ERR_CALLBACK_FAILURE;
	return take(cids, cid, token) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

void cidecar_ngtcp2_retired(struct cidecar_ngtcp2_cids *cids, const ngtcp2_cid *cid)
{
	for (size_t i = 0; i < cids->count; i++) {
		struct cidecar_ngtcp2_cid *each = &cids->cids[i];
		if (each->length != cid->datalen) continue;
		if (memcmp(each->cid, cid->data, cid->datalen) != 0) continue;
		cids->count--;
		memmove(each, each + 1, (cids->count - i) * sizeof(*each));
		find_oldest(cids);
		return;
	}
	/* It is one of those for which there was no room. */
	if (cids->more == 0) return;
	cids->more--;
	find_oldest(cids);
}

void cidecar_ngtcp2_active(struct cidecar_ngtcp2_cids *cids)
{
	cids->active_at = cidecar_now();
}

void cidecar_ngtcp2_end(struct cidecar_ngtcp2_cids *cids)
{
	cidecar_ngtcp2 *server = cids->server;
	if (server == NULL) return;
	cdc_spread_forget(server, cids);
	if (cids->previous != NULL) cids->previous->next = cids->next;
	if (cids->next != NULL) cids->next->previous = cids->previous;
	if (server->first == cids) server->first = cids->next;
	server->connections--;
	memset(cids, 0, sizeof(*cids));
}
