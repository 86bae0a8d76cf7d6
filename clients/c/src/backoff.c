/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

int64_t cdc_backoff_next(struct cdc_backoff *backoff, uint32_t random)
{
	int64_t half = backoff->pause / 2;
	int64_t pause = half + (int64_t)((double)random / UINT32_MAX * (double)half);
	backoff->pause *= 2;
	if (backoff->pause > CDC_LONGEST_PAUSE) backoff->pause = CDC_LONGEST_PAUSE;
	return pause;
}

void cdc_backoff_reset(struct cdc_backoff *backoff)
{
	backoff->pause = CDC_FIRST_PAUSE;
}

void cdc_backoff_use_longest(struct cdc_backoff *backoff)
{
	backoff->pause = CDC_LONGEST_PAUSE;
}
