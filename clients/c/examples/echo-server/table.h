/* SPDX-License-Identifier: Apache-2.0 */
/* Finds connections by the CIDs that packets for them carry. */
#ifndef ECHO_TABLE_H
#define ECHO_TABLE_H

#include <ngtcp2/ngtcp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

/* A connection, as the table knows it: zeroed at first, but for the value. */
struct table_owner {
	void *value;
	struct table_node *nodes;
};

struct table *table_new(void);
void table_free(struct table *table);

/* Returns false where there is no memory, or where another owner has the CID. */
bool table_add(struct table *table, const ngtcp2_cid *cid, struct table_owner *owner);
void table_remove(struct table *table, const ngtcp2_cid *cid);
/* Removes all CIDs of an owner. */
void table_remove_all(struct table *table, struct table_owner *owner);
/* The value of the owner; NULL where the CID is not known. */
void *table_get(const struct table *table, const uint8_t *cid, size_t length);

#endif
