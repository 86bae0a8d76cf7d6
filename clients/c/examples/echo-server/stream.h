/* SPDX-License-Identifier: Apache-2.0 */
/* What came on a stream and was not acknowledged yet as it went back. ngtcp2 sends it again from
 * where it lies, so it does not move until then. */
#ifndef ECHO_STREAM_H
#define ECHO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunk {
	struct chunk *next;
	size_t length;
	uint8_t octets[];
};

struct stream {
	struct stream *next;
	int64_t id;
	struct chunk *first;
	struct chunk *last;
	size_t acknowledged;   /* of the first chunk */
	struct chunk *sending; /* NULL where all was sent */
	size_t sent;           /* of that chunk */
	bool fin;              /* all has come */
	bool fin_sent;
};

/* The stream of the list, made if it is not there; NULL where there is none. */
struct stream *stream_find(struct stream **list, int64_t id, bool make);
void stream_remove(struct stream **list, int64_t id);

bool stream_append(struct stream *stream, const uint8_t *octets, size_t length);
/* The peer has so many more octets. */
void stream_acknowledge(struct stream *stream, size_t length);
void stream_sent(struct stream *stream, size_t length);
/* Whether there is something to send. */
bool stream_waits(const struct stream *stream);

#endif
