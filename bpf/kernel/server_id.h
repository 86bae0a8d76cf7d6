/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Maps a server ID to the index of a real. Three layouts share one ARRAY, because the kernel
 * inlines an array lookup, while one in a hash map takes three calls.
 */
#ifndef CIDECAR_SERVER_ID_H
#define CIDECAR_SERVER_ID_H

#include "cid_config.h"
#include "maps.h"

struct server_id {
	__u64 hi;
	__u64 lo;
};

/*
 * The two rows that an ID may stand in, from one hash, which bpf/tables/id-words.ts computes
 * too. The IDs in the table come from the registry, not from packets, so nobody can aim at a
 * row. If an ID fits neither of its rows, user space builds a larger table.
 */
struct server_id_rows {
	__u32 first;
	__u32 second;
};

static __always_inline struct server_id_rows server_id_rows(const struct cid_config *config,
							    struct server_id id)
{
	__u64 hash = id.lo ^ id.hi * 0xd6e8feb86659fd93ULL;

	hash *= 0x9e3779b97f4a7c15ULL;
	hash ^= hash >> 32;
	hash *= 0xc2b2ae3d27d4eb4fULL;
	/* Scaled to the number of rows without a division. */
	return (struct server_id_rows){
		.first = config->table_base + (__u32)((hash >> 32) * config->table_size >> 32),
		.second = config->table_base +
			  (__u32)((hash & 0xffffffff) * config->table_size >> 32),
	};
}

static __always_inline __u32 server_id_dense(const struct cid_config *config, struct server_id id)
{
	__u32 index = (__u32)id.lo & config->table_size;
	__u32 key = config->table_base + index / SERVER_IDS_PER_DENSE_ROW;
	const struct server_id_row *row;

	if ((id.lo & config->id_mask_lo) != config->tag_lo ||
	    (id.hi & config->id_mask_hi) != config->tag_hi)
		return 0;
	row = bpf_map_lookup_elem(&server_ids, &key);
	if (!row)
		return 0;
	return row->dense[index % SERVER_IDS_PER_DENSE_ROW];
}

static __always_inline __u32 server_id_exact_row(__u32 key, __u64 id)
{
	const struct server_id_row *row = bpf_map_lookup_elem(&server_ids, &key);
	__u32 real;
	int i;

	if (!row)
		return 0;
#pragma unroll
	for (i = 0; i < SERVER_IDS_PER_EXACT_ROW; i++) {
		/* Read first, and only once: what this word publishes was written before it. */
		real = *(const volatile __u32 *)&row->exact.reals[i];
		if (row->exact.ids[i] == id && real)
			return real;
	}
	return 0;
}

static __always_inline __u32 server_id_exact(const struct cid_config *config, struct server_id id)
{
	struct server_id_rows rows;
	__u32 real;

	id.hi = 0;
	id.lo &= config->id_mask_lo;
	rows = server_id_rows(config, id);
	real = server_id_exact_row(rows.first, id.lo);
	return real ? real : server_id_exact_row(rows.second, id.lo);
}

static __always_inline __u32 server_id_wide_row(__u32 key, struct server_id id)
{
	const struct server_id_row *row = bpf_map_lookup_elem(&server_ids, &key);
	__u32 real;
	int i;

	if (!row)
		return 0;
#pragma unroll
	for (i = 0; i < SERVER_IDS_PER_WIDE_ROW; i++) {
		real = *(const volatile __u32 *)&row->wide.reals[i];
		if (row->wide.ids[i].lo == id.lo && row->wide.ids[i].hi == id.hi && real)
			return real;
	}
	return 0;
}

static __always_inline __u32 server_id_wide(const struct cid_config *config, struct server_id id)
{
	struct server_id_rows rows;
	__u32 real;

	id.hi &= config->id_mask_hi;
	id.lo &= config->id_mask_lo;
	rows = server_id_rows(config, id);
	real = server_id_wide_row(rows.first, id);
	return real ? real : server_id_wide_row(rows.second, id);
}

/* Index of the real, or 0 if the ID is not in the config's table. */
static __always_inline __u32 server_id_real(const struct cid_config *config, struct server_id id)
{
	if (config->table == SERVER_IDS_DENSE)
		return server_id_dense(config, id);
	if (config->table == SERVER_IDS_EXACT)
		return server_id_exact(config, id);
	return server_id_wide(config, id);
}

#endif
