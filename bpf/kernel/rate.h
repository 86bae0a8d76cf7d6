/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Upper bounds on what packets can make this CPU do besides forwarding. */
#ifndef CIDECAR_RATE_H
#define CIDECAR_RATE_H

#include <stdbool.h>

#include "abi.h"

static __always_inline bool rate_allows(struct rate *rate, __u64 limit, __u64 second)
{
	if (rate->second != second) {
		rate->second = second;
		rate->used = 0;
	}
	if (rate->used >= limit)
		return false;
	rate->used++;
	return true;
}

#endif
