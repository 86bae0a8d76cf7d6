/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "unix.h"

static void lock(cidecar_client *client)
{
	if (client->threaded) pthread_mutex_lock(&client->lock);
}

static void unlock(cidecar_client *client)
{
	if (client->threaded) pthread_mutex_unlock(&client->lock);
}

static void wake(cidecar_client *client)
{
	if (client->awake) return;
	client->awake = true;
	cdc_link_wake(&client->link);
}

int cidecar_connect(cidecar_client **client, const struct cidecar_options *options)
{
	*client = NULL;
	if ((options->socket == NULL) == (options->transport == NULL)) return -EINVAL;
	cidecar_client *made = calloc(1, sizeof(*made));
	if (made == NULL) return -ENOMEM;
	made->alarm = CDC_NEVER;
	made->awake = true;
	made->notify = -1;
	int failed = cdc_session_init(&made->session, options);
	if (failed) {
		cdc_session_free(&made->session);
		free(made);
		return failed;
	}
	struct cidecar_transport *transport = options->transport;
	if (transport == NULL) failed = cdc_unix_transport(&transport, options->socket);
	if (failed) {
		cdc_session_free(&made->session);
		free(made);
		return failed;
	}
	failed = cdc_link_init(&made->link, &made->session, transport);
	if (failed) {
		made->link.transport = NULL; /* It belongs to the caller again. */
		if (options->transport == NULL) transport->free(transport);
		cidecar_close(made);
		return failed;
	}
	*client = made;
	return 0;
}

void cidecar_close(cidecar_client *client)
{
	if (client == NULL) return;
	if (client->threaded) {
		lock(client);
		client->stop = true;
		cdc_link_wake(&client->link);
		unlock(client);
		pthread_join(client->thread, NULL);
		close(client->notify);
		pthread_cond_destroy(&client->served);
		pthread_mutex_destroy(&client->lock);
	}
	cdc_link_close(&client->link);
	cdc_session_free(&client->session);
	free(client);
}

int cidecar_fd(const cidecar_client *client)
{
	return client->threaded ? client->notify : client->link.epoll;
}

void cdc_client_service(cidecar_client *client)
{
	client->awake = false;
	if (client->alarm <= cidecar_now()) client->alarm = CDC_NEVER;
	cdc_link_service(&client->link, client->alarm);
}

void cidecar_service(cidecar_client *client)
{
	if (!client->threaded) cdc_client_service(client);
}

bool cidecar_next_event(cidecar_client *client, struct cidecar_event *event)
{
	lock(client);
	bool there = cdc_events_next(&client->session.events, event);
	if (!there && client->threaded) {
		uint64_t count;
		ssize_t length = read(client->notify, &count, sizeof(count));
		(void)length; /* It fails where nothing was told. */
	}
	unlock(client);
	return there;
}

bool cdc_client_is_ready(cidecar_client *client)
{
	return client->session.pool.count > 0 && !cdc_session_is_stale(&client->session);
}

bool cidecar_ready(cidecar_client *client)
{
	lock(client);
	bool ready = cdc_client_is_ready(client);
	unlock(client);
	return ready;
}

/* Waits for the descriptor, or for the thread; at most until `end`. */
static void wait_for_service(cidecar_client *client, int64_t end)
{
	int64_t left = end - cidecar_now();
	if (left < 0) left = 0;
	if (client->threaded) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		int64_t at = until.tv_sec * CDC_SECOND + until.tv_nsec;
		/* With no end in sight it looks up once an hour. */
		at += left < 3600 * CDC_SECOND ? left : 3600 * CDC_SECOND;
		until.tv_sec = at / CDC_SECOND;
		until.tv_nsec = at % CDC_SECOND;
		pthread_cond_timedwait(&client->served, &client->lock, &until);
		return;
	}
	struct pollfd fd = {.fd = client->link.epoll, .events = POLLIN};
	int64_t ms = left / CDC_MS + (left % CDC_MS != 0);
	poll(&fd, 1, ms < 3600000 ? (int)ms : 3600000);
	cdc_client_service(client);
}

int cidecar_wait_ready(cidecar_client *client, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? CDC_NEVER : cidecar_now() + timeout_ms * CDC_MS;
	lock(client);
	while (!cdc_client_is_ready(client) && cidecar_now() < end) wait_for_service(client, end);
	int result = cdc_client_is_ready(client) ? 0 : -ETIMEDOUT;
	unlock(client);
	return result;
}

size_t cidecar_cid_length(cidecar_client *client)
{
	lock(client);
	size_t length = client->session.cid_length;
	unlock(client);
	return length;
}

int cidecar_take(cidecar_client *client, struct cidecar_cid *cid)
{
	lock(client);
	struct cdc_session *session = &client->session;
	int result = cdc_session_take(session, cid);
	if (session->to_say.credit > 0 || session->events.count > 0) wake(client);
	unlock(client);
	return result;
}

int cidecar_lease(cidecar_client *client, uint32_t nonces)
{
	lock(client);
	int result = cdc_session_lease(&client->session, nonces);
	if (result == 0) wake(client);
	unlock(client);
	return result;
}

int cidecar_mint(cidecar_client *client, struct cidecar_cid *cid)
{
	lock(client);
	int result = cdc_session_mint(&client->session, cid);
	if (client->session.events.count > 0) wake(client);
	unlock(client);
	return result;
}

static enum cidecar_answer look(cidecar_client *client, enum cdc_about about, struct cdc_octets cid,
	uint8_t token[CIDECAR_TOKEN])
{
	lock(client);
	struct cdc_session *session = &client->session;
	bool may_ask =
		session->connected && session->questions.unanswered < session->most_questions;
	enum cidecar_answer answer;
	answer =
		cdc_questions_look(&session->questions, session->now(), may_ask, about, cid, token);
	if (answer == CIDECAR_PENDING) wake(client);
	unlock(client);
	return answer;
}

enum cidecar_answer cidecar_reset_token(
	cidecar_client *client, const uint8_t *cid, size_t length, uint8_t token[CIDECAR_TOKEN])
{
	return look(client, CDC_ABOUT_TOKEN, (struct cdc_octets){cid, length}, token);
}

enum cidecar_answer cidecar_is_own(cidecar_client *client, const uint8_t *cid, size_t length)
{
	return look(client, CDC_ABOUT_OWN, (struct cdc_octets){cid, length}, NULL);
}

void cidecar_get_stats(cidecar_client *client, struct cidecar_stats *stats)
{
	lock(client);
	struct cdc_session *session = &client->session;
	*stats = (struct cidecar_stats){
		.stale = cdc_session_is_stale(session),
		.connected = session->connected,
		.dry = session->dry,
		.level = session->pool.count,
		.generation = cdc_session_generation(session),
		.taken = session->taken,
		.made = session->made,
		.minted = session->minted,
		.leased = cdc_leases_left(&session->leases, session->generation),
		.leasing = session->leases.asked || session->leases.wanted > 0,
		.sessions = session->sessions,
		.silence = session->heard ? session->now() - session->heard_at : -1,
		.error = session->error,
	};
	memcpy(stats->reason, session->reason, sizeof(stats->reason));
	unlock(client);
}

void cidecar_alarm(cidecar_client *client, int64_t at)
{
	lock(client);
	client->alarm = at;
	wake(client);
	unlock(client);
}
