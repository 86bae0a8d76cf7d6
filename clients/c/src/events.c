/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <stdio.h>
#include <string.h>

static void remove_at(struct cdc_events *events, unsigned at)
{
	events->count--;
	memmove(&events->queue[at], &events->queue[at + 1],
		(events->count - at) * sizeof(events->queue[0]));
}

/* Makes room. Of orders to reissue the second takes the place of the first, and covers it. */
static void make_room(struct cdc_events *events)
{
	for (unsigned i = 0; i < events->count; i++) {
		if (events->queue[i].type == CIDECAR_REISSUE) continue;
		remove_at(events, i);
		return;
	}
	struct cidecar_event *first = &events->queue[0];
	struct cidecar_event *second = &events->queue[1];
	if (first->deadline < second->deadline) second->deadline = first->deadline;
	if (first->through_generation > second->through_generation) {
		second->through_generation = first->through_generation;
	}
	remove_at(events, 0);
}

struct cidecar_event *cdc_event(
	struct cdc_events *events, enum cidecar_event_type type, const char *message)
{
	if (events->count == CDC_EVENTS) make_room(events);
	struct cidecar_event *event = &events->queue[events->count];
	events->count++;
	*event = (struct cidecar_event){.type = type};
	if (message != NULL) snprintf(event->message, sizeof(event->message), "%s", message);
	return event;
}

void cdc_events_answered(struct cdc_events *events)
{
	for (unsigned i = 0; i < events->count; i++) {
		if (events->queue[i].type == CIDECAR_ANSWERED) return;
	}
	cdc_event(events, CIDECAR_ANSWERED, NULL);
}

bool cdc_events_next(struct cdc_events *events, struct cidecar_event *event)
{
	if (events->count == 0) return false;
	*event = events->queue[0];
	remove_at(events, 0);
	return true;
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (; *text != '\0'; text++) hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

bool cdc_events_untold(struct cdc_events *events, const char *message)
{
	uint64_t hash = hash_of(message);
	unsigned known = events->told_count < CDC_TOLD ? events->told_count : CDC_TOLD;
	for (unsigned i = 0; i < known; i++) {
		if (events->told[i] == hash) return false;
	}
	events->told[events->told_count % CDC_TOLD] = hash;
	events->told_count++;
	return true;
}

void cdc_events_forget_told(struct cdc_events *events)
{
	events->told_count = 0;
}
