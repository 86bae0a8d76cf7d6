/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

#include "cidecar/cidecar.h"

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * CDC_SECOND + now.tv_nsec;
}

int64_t cidecar_now(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t cdc_wall_clock(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t cdc_coarse_clock(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}
