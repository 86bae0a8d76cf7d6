/* SPDX-License-Identifier: Apache-2.0 */
/* What the server was not told yet. The queue is short: a server that does not look loses the
 * oldest events, and never an order to reissue. */
#ifndef CDC_EVENTS_H
#define CDC_EVENTS_H

#include "cidecar/cidecar.h"

#define CDC_EVENTS 32
/* Reasons that are known to have been told. */
#define CDC_TOLD 16

struct cdc_events {
	struct cidecar_event queue[CDC_EVENTS];
	unsigned count;
	/* Hashes of the messages that were told since there was a connection. */
	uint64_t told[CDC_TOLD];
	unsigned told_count;
};

/* `message` may be NULL. Returns the event, for fields that are particular to its type. */
struct cidecar_event *cdc_event(
	struct cdc_events *events, enum cidecar_event_type type, const char *message);
/* There are answers; said once, until it is read. */
void cdc_events_answered(struct cdc_events *events);
bool cdc_events_next(struct cdc_events *events, struct cidecar_event *event);

/* Whether this reason was not told since cdc_events_forget_told(). It counts as told now. */
bool cdc_events_untold(struct cdc_events *events, const char *message);
void cdc_events_forget_told(struct cdc_events *events);

#endif
