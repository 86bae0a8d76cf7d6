/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CDC_BACKOFF_H
#define CDC_BACKOFF_H

#include <stdint.h>

#include "clock.h"

/* The first pause before another Session, and the longest. */
#define CDC_FIRST_PAUSE (50 * CDC_MS)
#define CDC_LONGEST_PAUSE (500 * CDC_MS)

/* Pauses that double, each with jitter, so that the servers of a host do not come back at once. */
struct cdc_backoff {
	int64_t pause;
};

/* The next pause in nanoseconds: half to all of what it would be. */
int64_t cdc_backoff_next(struct cdc_backoff *backoff, uint32_t random);
/* Success: the next pause is the first one again. */
void cdc_backoff_reset(struct cdc_backoff *backoff);
/* For what will not pass soon. */
void cdc_backoff_use_longest(struct cdc_backoff *backoff);

#endif
