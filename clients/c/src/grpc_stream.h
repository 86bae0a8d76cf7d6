/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on the stream of one call: messages that cross the borders of DATA frames, and how the
 * call ends. */
#ifndef CDC_GRPC_STREAM_H
#define CDC_GRPC_STREAM_H

#include "grpc_status.h"

/* A flag and a length go before each message of gRPC. */
#define CDC_PREFIX 5

struct cdc_grpc_stream {
	int32_t id; /* of HTTP/2; 0 where there is no stream */
	struct cdc_grpc_status status;
	/* The message that comes in, with its prefix. */
	uint8_t prefix[CDC_PREFIX];
	uint8_t *message;
	size_t room;
	size_t length; /* of the message, by its prefix */
	size_t have;   /* octets of prefix and message that came */
};

enum cdc_taken {
	CDC_PART,
	CDC_WHOLE, /* `message` has `length` octets, until the next call */
	CDC_COMPRESSED,
	CDC_TOO_LONG,
	CDC_NO_MEMORY,
};

/* Begins the stream of this ID. */
void cdc_grpc_stream_begin(struct cdc_grpc_stream *stream, int32_t id);

/* Takes octets of one message, and moves `octets` past them. `most` is the most octets that the
 * message may have. */
enum cdc_taken cdc_grpc_stream_take(
	struct cdc_grpc_stream *stream, struct cdc_octets *octets, size_t most);

/* Overwrites what came, and frees it. */
void cdc_grpc_stream_end(struct cdc_grpc_stream *stream);

/* Writes the prefix of a message of this length. */
void cdc_write_prefix(uint8_t prefix[CDC_PREFIX], size_t length);

#endif
