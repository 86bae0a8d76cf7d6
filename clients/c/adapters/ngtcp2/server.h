/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CDC_NGTCP2_SERVER_H
#define CDC_NGTCP2_SERVER_H

#include "cidecar/ngtcp2.h"

/* The generation of a CID that is not routable. */
#define CDC_NOT_ROUTABLE UINT64_MAX

struct cidecar_ngtcp2 {
	cidecar_client *client;
	void (*close)(void *user, void *connection);
	void (*event)(void *user, const struct cidecar_event *event);
	void *user;
	struct cidecar_ngtcp2_cids *first;
	size_t connections;

	/* The present reissue: connections in the order in which they are closed, NULL for those
	 * that ended meanwhile. */
	struct cidecar_ngtcp2_cids **order;
	struct cidecar_pace pace;
	uint64_t through;
	int64_t deadline;
	/* An order for which there was no memory is tried again at this time; else INT64_MAX. */
	int64_t retry_at;
};

/* A connection has one CID more. */
void cdc_ngtcp2_remember(struct cidecar_ngtcp2_cids *cids, const struct cidecar_cid *taken);

/* Takes an order to reissue. */
void cdc_spread_begin(cidecar_ngtcp2 *server, uint64_t through, int64_t deadline);
/* Closes those whose time has come, and sets the alarm for the next. */
void cdc_spread_continue(cidecar_ngtcp2 *server);
/* The connection is gone. */
void cdc_spread_forget(cidecar_ngtcp2 *server, struct cidecar_ngtcp2_cids *cids);
void cdc_spread_free(cidecar_ngtcp2 *server);

#endif
