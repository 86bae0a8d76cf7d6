/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the sidecar: opened again when it breaks, with pauses in between. */
#ifndef CDC_LINK_H
#define CDC_LINK_H

#include "backoff.h"
#include "call.h"
#include "cidecar/transport.h"

/* A sidecar that accepts connections and says nothing for so long is tried anew. */
#define CDC_HELLO_WITHIN (10 * CDC_SECOND)
/* As above, after the time in which CIDs fall stale. */
#define CDC_SILENCE_AFTER_STALE (15 * CDC_SECOND)
#define CDC_READ_SIZE 65536

struct cdc_link {
	struct cdc_session *session;
	struct cidecar_transport *transport; /* is its own */
	/* What the host polls: the three below. */
	int epoll;
	int timer;
	int wake;
	int socket;          /* -1 where there is no connection */
	bool polls_for_room; /* the socket takes nothing at present */
	struct cdc_call *call;
	/* Octets of the call that the socket did not take yet. */
	const uint8_t *unsent;
	size_t unsent_length;
	struct cdc_backoff backoff;
	int64_t retry_at;
	int64_t opened_at;
	int64_t armed; /* when the timer fires */
	uint8_t octets[CDC_READ_SIZE];
};

/* Takes the transport. Returns 0 or a negative errno. */
int cdc_link_init(
	struct cdc_link *link, struct cdc_session *session, struct cidecar_transport *transport);
void cdc_link_close(struct cdc_link *link);

/* Makes the descriptor readable. */
void cdc_link_wake(struct cdc_link *link);

/* Does what there is to do. Wakes again at `alarm` at the latest. */
void cdc_link_service(struct cdc_link *link, int64_t alarm);

#endif
