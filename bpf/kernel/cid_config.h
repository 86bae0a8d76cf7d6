/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The values of the maps `configs` and `server_ids`, which lead from the octets of a CID to
 * a real. User space (bpf/tables/kernel-config.ts) computes everything that can be computed
 * once for a config, so that the packet program only has to follow it.
 */
#ifndef CIDECAR_CID_CONFIG_H
#define CIDECAR_CID_CONFIG_H

#include <linux/types.h>

#define CID_MAX_OCTETS 20 /* RFC 9000 section 17.2 */

enum cid_kind {
	CID_EXTRACT = 1, /* the server ID is in the clear; used for Katran's layouts too */
	CID_SINGLE_PASS = 2, /* draft-ietf-quic-load-balancers-22, "Single Pass Encryption" */
	CID_FOUR_PASS = 3, /* same draft, "Four-Pass Encryption" */
};

enum server_id_table {
	SERVER_IDS_DENSE = 1, /* the low bits of the ID are an index, the rest is one fixed tag */
	SERVER_IDS_EXACT = 2, /* any IDs of up to 8 octets: two-choice buckets of five */
	SERVER_IDS_WIDE = 3, /* any IDs of up to 15 octets: two-choice buckets of three */
};

/*
 * Half of a four-pass block: up to 10 octets in packet order, as little-endian words, with
 * zeros after them. If the block's length is odd, each half has a nibble of the middle octet.
 */
struct feistel_half {
	__u64 first;
	__u64 second;
};

/*
 * Rule: immutable while config_index names it; the table rows it points at may change. A
 * server ID is a number of up to 120 bits: `lo` holds the low 64, `hi` the rest.
 */
struct cid_config {
	__u8 kind; /* enum cid_kind */
	__u8 table; /* enum server_id_table */
	__u8 minimum_length; /* octets of the CID; a shorter one is unroutable; 6..20 */
	__u8 shift; /* 0..127: right shift that brings the server ID to the low end of 128 bits */
	__u8 passes; /* four-pass: rounds to undo; 3 if the server ID is in the left half, else 4 */
	__u8 columns; /* AES output columns that matter, 1..4 */
	__u8 right_shift; /* four-pass: bits from the CID's start to the right half, 24..80 */
	__u8 merge_shift; /* four-pass: bits from the block's start to the right half, 16..72 */
	__u32 table_base; /* first row in server_ids */
	__u32 table_size; /* DENSE: mask of the index bits; otherwise the number of rows */
	__u64 id_mask_hi; /* DENSE: the bits to compare with the tag; else all bits of the ID */
	__u64 id_mask_lo;
	__u64 tag_hi; /* DENSE: the bits above the index */
	__u64 tag_lo;
	__u8 zero_reserved; /* for user space: no server has the ID 0 */
	__u8 reserved[15]; /* the key material starts on a cache line of its own */
	struct feistel_half left_mask; /* the bits that belong to the half */
	struct feistel_half right_mask;
	__u32 first_round[4][4]; /* by pass - 1: the part of round 1 common to all packets */
	__u32 round_keys[44]; /* four-pass: AES-128 encryption; else equivalent inverse cipher */
	__u32 padding[12];
};

_Static_assert(sizeof(struct cid_config) == 384, "struct cid_config is six cache lines");

#define SERVER_IDS_PER_DENSE_ROW 16
#define SERVER_IDS_PER_EXACT_ROW 5
#define SERVER_IDS_PER_WIDE_ROW 3

struct wide_server_id {
	__u64 hi;
	__u64 lo;
};

/*
 * One cache line of server_ids. Real 0 = absent.
 * Rule: DENSE word (each real); EXACT and WIDE publish (the real of a slot).
 */
struct server_id_row {
	union {
		__u32 dense[SERVER_IDS_PER_DENSE_ROW];
		struct {
			__u64 ids[SERVER_IDS_PER_EXACT_ROW];
			__u32 reals[SERVER_IDS_PER_EXACT_ROW];
			__u32 reserved;
		} exact;
		struct {
			struct wide_server_id ids[SERVER_IDS_PER_WIDE_ROW];
			__u32 reals[SERVER_IDS_PER_WIDE_ROW];
			__u32 reserved;
		} wide;
	};
};

_Static_assert(sizeof(struct server_id_row) == 64, "a row is one cache line");

#endif
