/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

struct stream *stream_find(struct stream **list, int64_t id, bool make)
{
	for (struct stream *each = *list; each != NULL; each = each->next) {
		if (each->id == id) return each;
	}
	struct stream *made = make ? calloc(1, sizeof(*made)) : NULL;
	if (made == NULL) return NULL;
	made->id = id;
	made->next = *list;
	*list = made;
	return made;
}

static void drop_first(struct stream *stream)
{
	struct chunk *first = stream->first;
	stream->first = first->next;
	if (stream->first == NULL) stream->last = NULL;
	stream->acknowledged = 0;
	free(first);
}

void stream_remove(struct stream **list, int64_t id)
{
	for (struct stream **place = list; *place != NULL; place = &(*place)->next) {
		struct stream *stream = *place;
		if (stream->id != id) continue;
		*place = stream->next;
		while (stream->first != NULL) drop_first(stream);
		free(stream);
		return;
	}
}

bool stream_append(struct stream *stream, const uint8_t *octets, size_t length)
{
	if (length == 0) return true;
	struct chunk *chunk = malloc(sizeof(*chunk) + length);
	if (chunk == NULL) return false;
	chunk->next = NULL;
	chunk->length = length;
	memcpy(chunk->octets, octets, length);
	if (stream->last == NULL)
		stream->first = chunk;
	else
		stream->last->next = chunk;
	stream->last = chunk;
	if (stream->sending == NULL) {
		stream->sending = chunk;
		stream->sent = 0;
	}
	return true;
}

void stream_acknowledge(struct stream *stream, size_t length)
{
	while (length > 0 && stream->first != NULL) {
		size_t left = stream->first->length - stream->acknowledged;
		if (length < left) {
			stream->acknowledged += length;
			return;
		}
		length -= left;
		drop_first(stream);
	}
}

void stream_sent(struct stream *stream, size_t length)
{
	if (stream->sending == NULL) return;
	stream->sent += length;
	if (stream->sent < stream->sending->length) return;
	stream->sending = stream->sending->next;
	stream->sent = 0;
}

bool stream_waits(const struct stream *stream)
{
	return stream->sending != NULL || (stream->fin && !stream->fin_sent);
}
