/* SPDX-License-Identifier: Apache-2.0 */
#include "leases.h"

uint32_t cdc_leases_left(const struct cdc_leases *leases, uint64_t generation)
{
	uint32_t left = 0;
	for (unsigned i = 0; i < leases->count; i++) {
		if (leases->minters[i].generation == generation) left += leases->minters[i].left;
	}
	return left;
}

void cdc_leases_keep(struct cdc_leases *leases, uint64_t generation, bool anew)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < leases->count; i++) {
		struct cdc_minter *minter = &leases->minters[i];
		if (anew || minter->generation < generation) continue;
		if (kept != i) leases->minters[kept] = *minter;
		kept++;
	}
	for (unsigned i = kept; i < leases->count; i++) cdc_minter_forget(&leases->minters[i]);
	leases->count = kept;
}

void cdc_leases_drop_first(struct cdc_leases *leases)
{
	for (unsigned i = 1; i < leases->count; i++) leases->minters[i - 1] = leases->minters[i];
	leases->count--;
	cdc_minter_forget(&leases->minters[leases->count]);
}

void cdc_leases_forget(struct cdc_leases *leases)
{
	while (leases->count > 0) cdc_leases_drop_first(leases);
}
