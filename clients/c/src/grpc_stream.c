/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_stream.h"

#include <stdlib.h>
#include <string.h>

/* Octets of a message for which there is memory at once; for a longer one as its octets come, so
 * that a length alone costs nothing. */
#define SHORT 4096
/* The most octets that are kept for the next message. A longer one was a batch of many CIDs, as at
 * the start; most are not. */
#define KEPT 65536

static void drop(struct cdc_grpc_stream *stream)
{
	if (stream->message != NULL) explicit_bzero(stream->message, stream->room);
	free(stream->message);
	stream->message = NULL;
	stream->room = 0;
}

void cdc_grpc_stream_begin(struct cdc_grpc_stream *stream, int32_t id)
{
	memset(stream, 0, sizeof(*stream));
	stream->id = id;
	cdc_grpc_status_init(&stream->status);
}

void cdc_grpc_stream_end(struct cdc_grpc_stream *stream)
{
	drop(stream);
	stream->id = 0;
}

static bool make_room(struct cdc_grpc_stream *stream, size_t octets)
{
	if (octets <= stream->room) return true;
	size_t room = 2 * octets < stream->length ? 2 * octets : stream->length;
	if (stream->length <= SHORT) room = stream->length;
	uint8_t *message = realloc(stream->message, room);
	if (message == NULL) return false;
	stream->message = message;
	stream->room = room;
	return true;
}

static enum cdc_taken take_prefix(
	struct cdc_grpc_stream *stream, struct cdc_octets *octets, size_t most)
{
	for (; stream->have < CDC_PREFIX && octets->length > 0; stream->have++) {
		stream->prefix[stream->have] = *octets->at;
		octets->at++, octets->length--;
	}
	if (stream->have < CDC_PREFIX) return CDC_PART;
	stream->length = 0;
	for (size_t i = 1; i < CDC_PREFIX; i++) {
		stream->length = stream->length << 8 | stream->prefix[i];
	}
	if (stream->prefix[0] != 0) return CDC_COMPRESSED;
	return stream->length > most ? CDC_TOO_LONG : CDC_PART;
}

enum cdc_taken cdc_grpc_stream_take(
	struct cdc_grpc_stream *stream, struct cdc_octets *octets, size_t most)
{
	if (stream->have == CDC_PREFIX + stream->length) {
		stream->have = 0;
		stream->length = 0;
		if (stream->room > KEPT) drop(stream);
	}
	if (stream->have < CDC_PREFIX) {
		enum cdc_taken taken = take_prefix(stream, octets, most);
		if (taken != CDC_PART || stream->have < CDC_PREFIX) return taken;
	}
	size_t at = stream->have - CDC_PREFIX;
	size_t left = stream->length - at;
	size_t part = left < octets->length ? left : octets->length;
	if (!make_room(stream, at + part)) return CDC_NO_MEMORY;
	if (part > 0) memcpy(stream->message + at, octets->at, part);
	octets->at += part, octets->length -= part;
	stream->have += part;
	return part == left ? CDC_WHOLE : CDC_PART;
}

void cdc_write_prefix(uint8_t prefix[CDC_PREFIX], size_t length)
{
	prefix[0] = 0;
	for (int i = CDC_PREFIX - 1; i > 0; i--, length >>= 8) prefix[i] = (uint8_t)length;
}
