/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any messages in any order, with what a server does in between: each step is an octet that chooses
 * it, and what it needs. The codec is part of it.
 */
#include <stdlib.h>
#include <string.h>

#include "../src/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

static int64_t now;

static int64_t read_now(void)
{
	return now;
}

static size_t say_held(void *user, struct cidecar_held held[CIDECAR_MAX_HELD])
{
	size_t count = (size_t)now % (CIDECAR_MAX_HELD + 1);
	(void)user;
	for (size_t i = 0; i < count; i++) {
		held[i] = (struct cidecar_held){(uint64_t)now % (i + 7), (uint64_t)now >> i};
	}
	return count;
}

static void demand(bool condition)
{
	if (!condition) abort();
}

static void say(struct cdc_session *session)
{
	uint8_t request[CDC_MAX_REQUEST];
	struct cdc_field field;
	size_t length = cdc_session_say(session, request);
	struct cdc_reader reader = cdc_read((struct cdc_octets){request, length});
	while (cdc_next_field(&reader, &field)) {
	}
	demand(!reader.broken && length < CDC_MAX_REQUEST);
	demand(!cdc_session_wants_to_say(session));
}

static void lose(struct cdc_session *session)
{
	struct cidecar_event event;
	cdc_session_lost(session, now % 2 == 0 ? "lost" : NULL, 0);
	while (cdc_events_next(&session->events, &event)) demand(event.type != 0);
	cdc_session_begin(session);
}

/* The payload of a step: its length in one or two octets, and as much as there is. */
static struct cdc_octets payload(struct cdc_octets *left)
{
	size_t length = 0;
	for (int i = 0; i < 2 && left->length > 0; i++) {
		length = length << 8 | left->at[0];
		left->at++, left->length--;
	}
	if (length > left->length) length = left->length;
	struct cdc_octets part = {left->at, length};
	left->at += length;
	left->length -= length;
	return part;
}

static void receive(struct cdc_session *session, struct cdc_octets part)
{
	/* Of its own, so that a read past the end is seen. */
	uint8_t *message = malloc(part.length + 1);
	memcpy(message, part.at, part.length);
	message = realloc(message, part.length > 0 ? part.length : 1);
	if (!cdc_session_receive(session, (struct cdc_octets){message, part.length})) {
		lose(session);
	}
	free(message);
}

static void take(struct cdc_session *session, unsigned count)
{
	struct cidecar_cid cid;
	while (count-- > 0 && cdc_session_take(session, &cid) == 0) {
		demand(cid.length == session->cid_length && cid.length >= CDC_MIN_CID);
	}
}

static void step(struct cdc_session *session, struct cdc_octets *left)
{
	uint8_t choice = left->at[0];
	uint8_t token[CIDECAR_TOKEN];
	left->at++, left->length--;
	switch (choice % 8) {
	case 0:
	case 1:
	case 2:
		receive(session, payload(left));
		break;
	case 3:
		take(session, choice >> 5);
		break;
	case 4:
		now += (int64_t)choice << (choice % 32);
		demand(cdc_session_tick(session) > 0);
		break;
	case 5:
		say(session);
		break;
	case 6:
		lose(session);
		break;
	default:
		cdc_questions_look(&session->questions, now, session->connected, choice >> 7,
			payload(left), token);
	}
	demand(session->pool.count + session->outstanding <= session->high_water);
	demand(session->questions.open_count <= CDC_OPEN_QUESTIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	static struct cdc_session session;
	struct cdc_octets left = {octets, length};
	struct cidecar_options options = {.high_water = 100, .held = say_held};
	now = CDC_SECOND;
	demand(cdc_session_init(&session, &options) == 0);
	session.now = read_now;
	session.coarse = read_now;
	cdc_session_begin(&session);
	while (left.length > 0) step(&session, &left);
	say(&session);
	cdc_session_free(&session);
	return 0;
}
