/* SPDX-License-Identifier: Apache-2.0 */
/* Decides when CIDs that were given out are to be replaced, and up to which generation. Generations
 * are those that the server knows. */
#ifndef CDC_ORDERS_H
#define CDC_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

struct cdc_order {
	uint64_t through;
	int64_t deadline; /* on the clock of cidecar_now() */
};

struct cdc_orders {
	/* The oldest generation of a routable CID that was taken since the last reissue. */
	bool taken;
	uint64_t oldest_taken;
	uint64_t ordered_through;
	/* An order for which there are no CIDs yet. */
	bool pending;
	struct cdc_order order;
};

/* The lowest generation of CIDs that were taken and not ordered to be replaced; 0: none. */
uint64_t cdc_orders_oldest(const struct cdc_orders *orders);
void cdc_orders_took(struct cdc_orders *orders, uint64_t generation);
/* Known orders, which come again with each Session, change nothing. */
void cdc_orders_take(struct cdc_orders *orders, struct cdc_order order);
/* The sidecar lost its state and began anew at a lower generation, which is `first` to the server.
 * `before` is the last that the server knew: an order that waits for CIDs covers all up to that. */
void cdc_orders_start_anew(struct cdc_orders *orders, uint64_t before, uint64_t first);
/* The order to give now that there are routable CIDs of this generation; false: none. */
bool cdc_orders_next(struct cdc_orders *orders, uint64_t generation, struct cdc_order *order);

#endif
