/* SPDX-License-Identifier: Apache-2.0 */
/* Orders, pacing, pauses and events. */
#include "../src/backoff.h"
#include "../src/events.h"
#include "../src/orders.h"
#include "test.h"

static struct cdc_order order(uint64_t through, int64_t deadline)
{
	return (struct cdc_order){through, deadline};
}

void test_orders(void)
{
	struct cdc_orders orders = {0};
	struct cdc_order next;
	CHECK(cdc_orders_oldest(&orders) == 0);
	cdc_orders_took(&orders, 5);
	cdc_orders_took(&orders, 7);
	CHECK(cdc_orders_oldest(&orders) == 5);

	/* It waits for CIDs of a later generation, and comes once. */
	cdc_orders_take(&orders, order(5, 100));
	CHECK(!cdc_orders_next(&orders, 5, &next));
	CHECK(cdc_orders_next(&orders, 6, &next) && next.through == 5 && next.deadline == 100);
	CHECK(!cdc_orders_next(&orders, 6, &next));
	CHECK(cdc_orders_oldest(&orders) == 6);

	/* A known one changes nothing; of two, the sooner deadline counts for both. */
	cdc_orders_take(&orders, order(5, 1));
	CHECK(!cdc_orders_next(&orders, 9, &next));
	cdc_orders_take(&orders, order(6, 50));
	cdc_orders_take(&orders, order(7, 80));
	CHECK(cdc_orders_next(&orders, 8, &next) && next.through == 7 && next.deadline == 50);

	/* The sidecar lost its state: what was taken before counts as of the first generation. */
	cdc_orders_took(&orders, 2000);
	cdc_orders_start_anew(&orders, 2000, 3000);
	CHECK(cdc_orders_oldest(&orders) == 3000);
	cdc_orders_take(&orders, order(3000, 9));
	CHECK(cdc_orders_next(&orders, 3001, &next) && next.through == 3000);
	CHECK(cdc_orders_oldest(&orders) == 3001);

	/* An order that waits is given with the CIDs of the new generation. */
	struct cdc_orders waiting = {0};
	cdc_orders_take(&waiting, order(500, 9));
	cdc_orders_start_anew(&waiting, 501, 504);
	CHECK(cdc_orders_next(&waiting, 504, &next) && next.through == 501);
}

void test_pace(void)
{
	struct cidecar_pace pace;
	int64_t second = CDC_SECOND;
	size_t done = 0;
	cidecar_pace_begin(&pace, 100, 5 * second, 15 * second);
	CHECK(cidecar_pace_due(&pace, 5 * second) == 1);
	int64_t last = 5 * second;
	for (done = 1; cidecar_pace_next(&pace) != CDC_NEVER;) {
		int64_t at = cidecar_pace_next(&pace);
		CHECK(at > last);
		last = at;
		size_t due = cidecar_pace_due(&pace, at);
		/* Evenly: an item for each hundredth of 8 s. */
		CHECK(due == 1);
		done += due;
	}
	CHECK(done == 100);
	CHECK(last > 12 * second && last <= 13 * second);

	/* Many go in steps rather than one by one, and none is left. */
	size_t steps = 0;
	cidecar_pace_begin(&pace, 1000000, 0, second);
	for (done = 0; cidecar_pace_next(&pace) != CDC_NEVER; steps++) {
		done += cidecar_pace_due(&pace, cidecar_pace_next(&pace));
	}
	CHECK(done == 1000000 && steps <= 41);

	/* What is due goes at once; a late call makes up; a clock that goes back does no harm. */
	cidecar_pace_begin(&pace, 7, 10, 10);
	CHECK(cidecar_pace_due(&pace, 10) == 7 && cidecar_pace_next(&pace) == CDC_NEVER);
	cidecar_pace_begin(&pace, 7, 10, -5);
	CHECK(cidecar_pace_due(&pace, 10) == 7);
	cidecar_pace_begin(&pace, 7, 0, second);
	CHECK(cidecar_pace_due(&pace, -5) == 1);
	CHECK(cidecar_pace_due(&pace, second) == 6);
	CHECK(cidecar_pace_due(&pace, 2 * second) == 0);
	cidecar_pace_begin(&pace, 0, 0, second);
	CHECK(cidecar_pace_due(&pace, 0) == 0 && cidecar_pace_next(&pace) == CDC_NEVER);
}

static void test_backoff(void)
{
	struct cdc_backoff backoff;
	int64_t longest = 50 * CDC_MS;
	cdc_backoff_reset(&backoff);
	for (int i = 0; i < 10; i++) {
		struct cdc_backoff other = backoff;
		CHECK(cdc_backoff_next(&backoff, 0) == longest / 2);
		CHECK(cdc_backoff_next(&other, UINT32_MAX) == longest);
		longest = 2 * longest < 500 * CDC_MS ? 2 * longest : 500 * CDC_MS;
	}
	CHECK(longest == 500 * CDC_MS);
	cdc_backoff_reset(&backoff);
	CHECK(cdc_backoff_next(&backoff, UINT32_MAX) == 50 * CDC_MS);
	cdc_backoff_use_longest(&backoff);
	CHECK(cdc_backoff_next(&backoff, UINT32_MAX) == 500 * CDC_MS);
}

void test_events(void)
{
	static struct cdc_events events;
	struct cidecar_event event;
	test_backoff();
	CHECK(!cdc_events_next(&events, &event));
	cdc_event(&events, CIDECAR_CONNECTED, NULL);
	cdc_event(&events, CIDECAR_TROUBLE, "why");
	CHECK(cdc_events_next(&events, &event) && event.type == CIDECAR_CONNECTED);
	CHECK(cdc_events_next(&events, &event) && strcmp(event.message, "why") == 0);

	/* Who does not look loses the oldest, and no order. */
	cdc_event(&events, CIDECAR_REISSUE, NULL)->through_generation = 7;
	for (int i = 0; i < 1000; i++) cdc_event(&events, CIDECAR_DRY, NULL);
	CHECK(cdc_events_next(&events, &event) && event.type == CIDECAR_REISSUE);
	CHECK(event.through_generation == 7);
	while (cdc_events_next(&events, &event)) CHECK(event.type == CIDECAR_DRY);
	for (unsigned i = 0; i < CDC_EVENTS + 3; i++) {
		struct cidecar_event *reissue = cdc_event(&events, CIDECAR_REISSUE, NULL);
		reissue->through_generation = 100 - i;
		reissue->deadline = i;
	}
	CHECK(events.count == CDC_EVENTS);
	CHECK(cdc_events_next(&events, &event));
	CHECK(event.through_generation == 100 && event.deadline == 0);

	static struct cdc_events told;
	CHECK(cdc_events_untold(&told, "one") && cdc_events_untold(&told, "other"));
	CHECK(!cdc_events_untold(&told, "one"));
	cdc_events_forget_told(&told);
	CHECK(cdc_events_untold(&told, "one"));
	cdc_events_answered(&told);
	cdc_events_answered(&told);
	CHECK(told.count == 1);
}
