/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

uint64_t cdc_orders_oldest(const struct cdc_orders *orders)
{
	return orders->taken ? orders->oldest_taken : 0;
}

void cdc_orders_took(struct cdc_orders *orders, uint64_t generation)
{
	if (orders->taken && orders->oldest_taken <= generation) return;
	orders->taken = true;
	orders->oldest_taken = generation;
}

void cdc_orders_take(struct cdc_orders *orders, struct cdc_order order)
{
	if (order.through <= orders->ordered_through) return;
	orders->ordered_through = order.through;
	if (orders->pending && orders->order.deadline < order.deadline) {
		order.deadline = orders->order.deadline;
	}
	orders->order = order;
	orders->pending = true;
}

void cdc_orders_start_anew(struct cdc_orders *orders, uint64_t before, uint64_t first)
{
	/* For orders, all that was taken counts as of this generation. */
	if (orders->taken) orders->oldest_taken = first;
	if (orders->pending) orders->order.through = before;
}

bool cdc_orders_next(struct cdc_orders *orders, uint64_t generation, struct cdc_order *order)
{
	if (!orders->pending || generation <= orders->order.through) return false;
	*order = orders->order;
	orders->pending = false;
	/* What was taken since the present generation began is not covered. */
	if (orders->taken && orders->oldest_taken <= order->through) {
		orders->oldest_taken = order->through + 1;
	}
	return true;
}
