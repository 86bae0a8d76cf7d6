/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a session that speaks. What is to be said is kept as a state rather than as messages,
 * so that it stays small however long the sidecar does not read. */
#include <stdio.h>
#include <string.h>

#include "session.h"

void cdc_session_begin(struct cdc_session *session)
{
	memset(&session->to_say, 0, sizeof(session->to_say));
	session->to_say.open = true;
	session->said_count = 0;
}

static void add_held(
	struct cidecar_held *all, size_t *count, uint64_t generation, uint64_t connections)
{
	size_t at = 0;
	while (at < *count && all[at].generation < generation) at++;
	if (at < *count && all[at].generation == generation) {
		all[at].connections += connections;
		return;
	}
	if (*count == CIDECAR_MAX_HELD) return;
	memmove(&all[at + 1], &all[at], (*count - at) * sizeof(all[0]));
	all[at] = (struct cidecar_held){generation, connections};
	*count += 1;
}

/* Asks the server. Writes each generation once, in order; returns how many there are. */
static size_t ask_held(const struct cdc_session *session, struct cidecar_held all[CIDECAR_MAX_HELD])
{
	struct cidecar_held held[CIDECAR_MAX_HELD];
	size_t said = session->held(session->user, held);
	size_t count = 0;
	for (size_t i = 0; i < said && i < CIDECAR_MAX_HELD; i++) {
		/* What is from before the sidecar lost its state is of generation 0 to it. */
		uint64_t known = 0;
		if (held[i].generation > session->base) known = held[i].generation - session->base;
		/* There is none of a later one; what is old makes a rotation wait, and loses
		 * nothing. */
		if (known > session->generation) known = 0;
		uint64_t connections = held[i].connections;
		if (connections > UINT32_MAX) connections = UINT32_MAX;
		if (connections > 0) add_held(all, &count, known, connections);
	}
	return count;
}

static bool has_earlier(const struct cidecar_held *held, size_t count, uint64_t generation)
{
	return count > 0 && held[0].generation < generation;
}

static void look_at_held(struct cdc_session *session)
{
	struct cidecar_held held[CIDECAR_MAX_HELD];
	size_t count = ask_held(session, held);
	bool earlier = has_earlier(held, count, session->generation) ||
		       has_earlier(session->said, session->said_count, session->generation);
	bool same = count == session->said_count &&
		    memcmp(held, session->said, count * sizeof(held[0])) == 0;
	session->held_at = session->now();
	if (earlier && !same) session->to_say.held = true;
}

bool cdc_session_wants_to_say(const struct cdc_session *session)
{
	if (session->to_say.open || session->to_say.credit > 0) return true;
	if (session->to_say.acknowledged > 0 || session->to_say.held) return true;
	for (unsigned i = 0; i < session->questions.open_count; i++) {
		if (session->questions.open[i]->state == CDC_UNSENT) return session->connected;
	}
	return false;
}

static void say_open(const struct cdc_session *session, struct cdc_writer *writer)
{
	uint64_t oldest = cdc_orders_oldest(&session->orders);
	struct cdc_open open = {
		.client_name = session->client_name,
		.server_use = {session->server_use, session->server_use_length},
		.known_generation = session->generation,
		.oldest_generation = oldest > session->base ? oldest - session->base : 0,
		.can_retire = session->can_retire,
	};
	memcpy(open.instance, session->instance, sizeof(open.instance));
	cdc_write_open(writer, &open);
}

size_t cdc_session_say(struct cdc_session *session, uint8_t message[CDC_MAX_REQUEST])
{
	struct cdc_writer writer = {.at = message, .room = CDC_MAX_REQUEST};
	if (!cdc_session_wants_to_say(session)) return 0;
	if (session->to_say.open) say_open(session, &writer);
	cdc_write_credit(&writer, session->to_say.credit);
	if (session->to_say.held) {
		session->said_count = ask_held(session, session->said);
		session->held_at = session->now();
		cdc_write_held(&writer, session->said, session->said_count);
	}
	cdc_write_acknowledged(&writer, session->to_say.acknowledged);
	memset(&session->to_say, 0, sizeof(session->to_say));
	if (session->connected) {
		const struct cdc_question *question;
		while ((question = cdc_questions_unsent(&session->questions)) != NULL) {
			struct cdc_octets cid = {question->cid, question->length};
			cdc_write_question(&writer, question->number, question->about, cid);
		}
	}
	return writer.length;
}

void cdc_session_lost(struct cdc_session *session, const char *reason, int error)
{
	bool was_connected = session->connected;
	session->connected = false;
	session->outstanding = 0;
	memset(&session->to_say, 0, sizeof(session->to_say));
	cdc_session_no_lease(session, "the connection was lost before the lease came");
	if (cdc_questions_lost(&session->questions)) cdc_events_answered(&session->events);
	if (reason != NULL) {
		snprintf(session->reason, sizeof(session->reason), "%s", reason);
		session->error = error;
	}
	if (was_connected) {
		cdc_event(&session->events, CIDECAR_DISCONNECTED, reason)->error = error;
	} else if (reason != NULL && cdc_events_untold(&session->events, reason)) {
		cdc_event(&session->events, CIDECAR_TROUBLE, reason)->error = error;
	}
}

static void lower(int64_t *next, int64_t at)
{
	if (at < *next) *next = at;
}

int64_t cdc_session_tick(struct cdc_session *session)
{
	int64_t now = session->now();
	int64_t next = CDC_NEVER;
	if (!cdc_session_is_stale(session) && session->lifetime > 0) {
		lower(&next, session->heard_at + session->lifetime + 1);
	}
	if (cdc_questions_tick(&session->questions, now, &next)) {
		cdc_events_answered(&session->events);
	}
	if (session->leases.asked) {
		if (session->leases.given_up <= now)
			cdc_session_no_lease(session, "the sidecar did not answer in time");
		else
			lower(&next, session->leases.given_up);
	}
	if (session->connected && session->held != NULL) {
		if (now - session->held_at >= CDC_HELD_EVERY) look_at_held(session);
		lower(&next, session->held_at + CDC_HELD_EVERY);
	}
	return next;
}
