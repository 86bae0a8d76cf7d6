/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "cidecar/cidecar.h"
#include "clock.h"

/* Nanoseconds between two steps, each of one item or a few. */
#define STEP (20 * CDC_MS)

void cidecar_pace_begin(struct cidecar_pace *pace, size_t items, int64_t now, int64_t deadline)
{
	int64_t left = deadline > now ? deadline - now : 0;
	*pace = (struct cidecar_pace){.began = now, .time = left / 5 * 4, .items = items};
}

size_t cidecar_pace_due(struct cidecar_pace *pace, int64_t now)
{
	size_t due = pace->items;
	if (now < pace->began) now = pace->began;
	if (now - pace->began < pace->time) {
		double part = (double)(now - pace->began) / (double)pace->time;
		due = (size_t)(part * (double)pace->items) + 1;
	}
	if (due > pace->items) due = pace->items;
	size_t more = due > pace->done ? due - pace->done : 0;
	pace->done += more;
	return more;
}

int64_t cidecar_pace_next(const struct cidecar_pace *pace)
{
	if (pace->done >= pace->items) return CDC_NEVER;
	double part = (double)pace->done / (double)pace->items;
	double every = (double)pace->time / (double)pace->items;
	int64_t at = pace->began + (int64_t)(part * (double)pace->time);
	/* The next item, or those of a whole step. */
	return every < STEP ? at + STEP : at + 1;
}
