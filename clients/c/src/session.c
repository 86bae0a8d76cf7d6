/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a session that listens. */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool is_name(const char *name)
{
	size_t length = strnlen(name, CDC_MAX_NAME + 1);
	for (size_t i = 0; i < length; i++) {
		if (name[i] < ' ' || name[i] > '~') return false;
	}
	return length <= CDC_MAX_NAME;
}

static bool read_options(struct cdc_session *session, const struct cidecar_options *options)
{
	const char *name = options->client_name;
	if (name == NULL) name = "cidecar-c/" CIDECAR_VERSION;
	if (!is_name(name)) return false;
	snprintf(session->client_name, sizeof(session->client_name), "%s", name);

	session->high_water = options->high_water == 0 ? 4096 : options->high_water;
	session->low_water = options->low_water;
	if (session->low_water == 0) session->low_water = (session->high_water + 1) / 2;
	if (session->high_water > CDC_MAX_CREDIT) return false;
	if (session->low_water > session->high_water) return false;

	session->server_use_length = options->server_use_length;
	if (session->server_use_length > CDC_MAX_SERVER_USE) return false;
	if (session->server_use_length > 0) {
		memcpy(session->server_use, options->server_use, session->server_use_length);
	}
	session->can_retire = !options->cannot_retire;
	session->held = options->held;
	session->user = options->user;
	return true;
}

int cdc_session_init(struct cdc_session *session, const struct cidecar_options *options)
{
	uint8_t random[32];
	memset(session, 0, sizeof(*session));
	if (!read_options(session, options)) return -EINVAL;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) return -EIO;
	memcpy(session->instance, random, sizeof(session->instance));
	cdc_questions_init(&session->questions, random + 16);
	session->now = cidecar_now;
	session->coarse = cdc_coarse_clock;
	session->most = session->high_water;
	return cdc_pool_init(&session->pool, session->high_water) ? 0 : -ENOMEM;
}

void cdc_session_free(struct cdc_session *session)
{
	cdc_pool_free(&session->pool);
	cdc_leases_forget(&session->leases);
}

/* A generation of the sidecar, as the server knows it. */
static uint64_t to_server(const struct cdc_session *session, uint64_t generation)
{
	uint64_t room = UINT64_MAX - session->base;
	return session->base + (generation < room ? generation : room);
}

uint64_t cdc_session_generation(const struct cdc_session *session)
{
	return to_server(session, session->generation);
}

bool cdc_session_give_up(struct cdc_session *session, const char *message)
{
	snprintf(session->reason, sizeof(session->reason), "%s", message);
	session->error = 0;
	if (cdc_events_untold(&session->events, message)) {
		cdc_event(&session->events, CIDECAR_TROUBLE, message);
	}
	return false;
}

static bool is_usable_length(struct cdc_session *session, uint32_t said)
{
	char message[128];
	if (session->cid_length != 0 && said != session->cid_length) {
		snprintf(message, sizeof(message),
			"the sidecar's CIDs have %u octets, this server's %u: restart the server",
			said, session->cid_length);
		return cdc_session_give_up(session, message);
	}
	if (said >= CDC_MIN_CID && said <= CIDECAR_MAX_CID) return true;
	snprintf(message, sizeof(message),
		"CIDs of %u octets: 0b111 ones of that length cannot be made", said);
	return cdc_session_give_up(session, message);
}

/* What came before is void, but for routable CIDs of the same generation. */
static bool make_void(
	struct cdc_session *session, const struct cdc_minting *minting, uint32_t cid_length)
{
	struct cdc_failover *form = session->failover;
	if (form == NULL || form->zero_host_id != minting->zero_host_id) {
		form = cdc_failover_of_process(cid_length, minting->zero_host_id);
	}
	if (form == NULL) return cdc_session_give_up(session, "the system has no random octets");
	session->failover = form;
	session->cid_length = (uint8_t)cid_length;

	cdc_leases_keep(
		&session->leases, minting->generation, minting->generation < session->generation);
	if (minting->generation < session->generation) {
		session->base = cdc_session_generation(session);
		cdc_orders_start_anew(
			&session->orders, session->base, to_server(session, minting->generation));
	}
	if (minting->generation != session->generation) cdc_pool_drop_all(&session->pool);
	session->generation = minting->generation;
	cdc_pool_drop_unroutable(&session->pool);

	cdc_session_ask(session);
	session->to_say.acknowledged = minting->number;
	session->to_say.held = session->held != NULL;
	return true;
}

static bool take_minting(struct cdc_session *session, const struct cdc_minting *minting)
{
	session->minting_number = minting->number;
	return !minting->makes_void || make_void(session, minting, session->cid_length);
}

static bool take_hello(struct cdc_session *session, const struct cdc_hello *hello)
{
	if (!hello->has_minting) {
		return cdc_session_give_up(
			session, "the hello of the sidecar does not say what is minted");
	}
	if (!is_usable_length(session, hello->cid_length)) return false;
	session->connected = true;
	session->sessions++;
	session->reason[0] = '\0';
	session->error = 0;
	session->lifetime = hello->lifetime_ms * CDC_MS;
	session->most = session->high_water;
	if (hello->credit_limit != 0 && hello->credit_limit < session->most) {
		session->most = hello->credit_limit;
	}
	session->most_questions = CDC_UNANSWERED_QUESTIONS;
	if (hello->question_limit != 0 && hello->question_limit < CDC_UNANSWERED_QUESTIONS) {
		session->most_questions = hello->question_limit;
	}
	cdc_events_forget_told(&session->events);
	cdc_event(&session->events, CIDECAR_CONNECTED, NULL);
	session->minting_number = hello->minting.number;
	return make_void(session, &hello->minting, hello->cid_length);
}

static bool take_batch(struct cdc_session *session, const struct cdc_batch *batch)
{
	uint64_t count = batch->count;
	if (!is_usable_length(session, batch->cid_length)) return false;
	if (count * batch->cid_length != batch->cids.length ||
		count * CIDECAR_TOKEN != batch->tokens.length) {
		return cdc_session_give_up(
			session, "a batch does not have the length that it says");
	}
	if (count < 1 || count > session->outstanding) {
		char message[128];
		snprintf(message, sizeof(message),
			"a batch of %u CIDs came where %u were asked for", batch->count,
			session->outstanding);
		return cdc_session_give_up(session, message);
	}
	session->outstanding -= batch->count;
	if (batch->generation != session->generation) {
		cdc_session_ask(session);
		return true;
	}
	cdc_pool_push(&session->pool, batch);
	cdc_session_have_cids(session);
	cdc_session_give_reissue(session);
	return true;
}

/* The deadline on a clock that nobody sets. */
static int64_t deadline_of(const struct cdc_session *session, const struct cdc_reissue *reissue)
{
	int64_t longest = INT64_C(1000000000); /* seconds: about 30 years */
	int64_t now = session->now();
	if (!reissue->has_deadline) return now;
	int64_t wall = cdc_wall_clock();
	int64_t seconds = reissue->deadline_seconds;
	if (seconds < wall / CDC_SECOND - longest) seconds = wall / CDC_SECOND - longest;
	if (seconds > wall / CDC_SECOND + longest) seconds = wall / CDC_SECOND + longest;
	return now + (seconds * CDC_SECOND + reissue->deadline_nanos - wall);
}

static void take_answer(struct cdc_session *session, const struct cdc_answer *answer)
{
	if (cdc_questions_answered(&session->questions, session->now(), answer)) {
		cdc_events_answered(&session->events);
	}
}

bool cdc_session_receive(struct cdc_session *session, struct cdc_octets message)
{
	struct cdc_response response;
	if (!cdc_read_response(message, &response)) {
		return cdc_session_give_up(
			session, "the sidecar sent what is no message of a Session");
	}
	if ((response.event == CDC_HELLO) == session->connected) {
		return cdc_session_give_up(
			session, "the first message of the sidecar is no hello, or a later one is");
	}
	bool good = true;
	if (response.event == CDC_HELLO) good = take_hello(session, &response.of.hello);
	if (response.event == CDC_MINTING) good = take_minting(session, &response.of.minting);
	if (!good) return false;
	cdc_session_heard(session);
	if (response.event == CDC_BATCH) return take_batch(session, &response.of.batch);
	if (response.event == CDC_ANSWER) take_answer(session, &response.of.answer);
	if (response.event == CDC_REISSUE) {
		const struct cdc_reissue *reissue = &response.of.reissue;
		int64_t deadline = deadline_of(session, reissue);
		uint64_t through = to_server(session, reissue->through_generation);
		struct cdc_order order = {through, deadline};
		cdc_orders_take(&session->orders, order);
		cdc_session_give_reissue(session);
	}
	return true;
}
