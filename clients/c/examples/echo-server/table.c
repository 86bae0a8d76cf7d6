/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

struct table_node {
	struct table_node *next;    /* in the bucket */
	struct table_node *sibling; /* of the same owner */
	struct table_owner *owner;
	ngtcp2_cid cid;
};

#define BUCKETS 65536

struct table {
	uint64_t seed; /* clients choose the first CID, and must not choose the bucket */
	struct table_node *buckets[BUCKETS];
};

struct table *table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));
	if (table != NULL) gnutls_rnd(GNUTLS_RND_KEY, &table->seed, sizeof(table->seed));
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct table_node *each = table->buckets[i]; each != NULL;) {
			struct table_node *next = each->next;
			free(each);
			each = next;
		}
	}
	free(table);
}

/* Where the node is, or would be hung up. */
static struct table_node **place_of(const struct table *table, const uint8_t *cid, size_t length)
{
	uint64_t hash = table->seed;
	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ cid[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	struct table_node **place = (struct table_node **)&table->buckets[hash % BUCKETS];
	for (; *place != NULL; place = &(*place)->next) {
		const ngtcp2_cid *known = &(*place)->cid;
		if (known->datalen == length && memcmp(known->data, cid, length) == 0) break;
	}
	return place;
}

bool table_add(struct table *table, const ngtcp2_cid *cid, struct table_owner *owner)
{
	struct table_node **place = place_of(table, cid->data, cid->datalen);
	if (*place != NULL) return (*place)->owner == owner;
	*place = calloc(1, sizeof(**place));
	if (*place == NULL) return false;
	**place = (struct table_node){.sibling = owner->nodes, .owner = owner, .cid = *cid};
	owner->nodes = *place;
	return true;
}

void table_remove(struct table *table, const ngtcp2_cid *cid)
{
	struct table_node **place = place_of(table, cid->data, cid->datalen);
	struct table_node *node = *place;
	if (node == NULL) return;
	*place = node->next;
	for (place = &node->owner->nodes; *place != node;) place = &(*place)->sibling;
	*place = node->sibling;
	free(node);
}

void table_remove_all(struct table *table, struct table_owner *owner)
{
	while (owner->nodes != NULL) table_remove(table, &owner->nodes->cid);
}

void *table_get(const struct table *table, const uint8_t *cid, size_t length)
{
	const struct table_node *node = *place_of(table, cid, length);
	return node == NULL ? NULL : node->owner->value;
}
