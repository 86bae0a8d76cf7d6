/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CDC_CLOCK_H
#define CDC_CLOCK_H

#include <stdint.h>

#define CDC_MS INT64_C(1000000)
#define CDC_SECOND (1000 * CDC_MS)
/* A time that never comes. */
#define CDC_NEVER INT64_MAX

/* Nanoseconds since 1970, on the clock that people set. */
int64_t cdc_wall_clock(void);

/* Nanoseconds on a clock that steps every few milliseconds, costs next to nothing, and stands
 * still while the machine sleeps. */
int64_t cdc_coarse_clock(void);

#endif
