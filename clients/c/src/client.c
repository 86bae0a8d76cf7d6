/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cidecar/cidecar.h"
#include "link.h"

struct cidecar_client {
	struct cdc_session session;
	struct cdc_link link;
	int64_t alarm;
	bool awake; /* the descriptor is readable until the next service */
	/* Of cidecar_start_thread(). */
	bool threaded;
	bool stop;
	int notify; /* readable when there is something to look at */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t served;
};

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
	if (options->socket == NULL) return -EINVAL;
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
	failed = cdc_link_init(&made->link, &made->session, options->socket);
	if (failed) {
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

static void service(cidecar_client *client)
{
	client->awake = false;
	if (client->alarm <= cidecar_now()) client->alarm = CDC_NEVER;
	cdc_link_service(&client->link, client->alarm);
}

void cidecar_service(cidecar_client *client)
{
	if (!client->threaded) service(client);
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

static bool is_ready(cidecar_client *client)
{
	return client->session.pool.count > 0 && !cdc_session_is_stale(&client->session);
}

bool cidecar_ready(cidecar_client *client)
{
	lock(client);
	bool ready = is_ready(client);
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
	service(client);
}

int cidecar_wait_ready(cidecar_client *client, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? CDC_NEVER : cidecar_now() + timeout_ms * CDC_MS;
	lock(client);
	while (!is_ready(client) && cidecar_now() < end) wait_for_service(client, end);
	int result = is_ready(client) ? 0 : -ETIMEDOUT;
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
		.generation = session->generation,
		.taken = session->taken,
		.made = session->made,
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

static void *run(void *argument)
{
	cidecar_client *client = argument;
	struct pollfd fd = {.fd = client->link.epoll, .events = POLLIN};
	for (;;) {
		poll(&fd, 1, -1);
		pthread_mutex_lock(&client->lock);
		int64_t alarm = client->alarm;
		bool was_ready = is_ready(client);
		if (!client->stop) service(client);
		bool stop = client->stop;
		/* Who waits in a loop until the client is ready is to look again. */
		bool ready = !was_ready && is_ready(client);
		/* The service calls the alarm off when its time has come. */
		bool rang = client->alarm != alarm;
		if (rang || ready || client->session.events.count > 0) {
			uint64_t one = 1;
			ssize_t written = write(client->notify, &one, sizeof(one));
			(void)written; /* It fails where the descriptor is readable already. */
		}
		pthread_cond_broadcast(&client->served);
		pthread_mutex_unlock(&client->lock);
		if (stop) return NULL;
	}
}

/* The thread takes no signal of the server. */
static int start(cidecar_client *client)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&client->thread, NULL, run, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -failed;
}

int cidecar_start_thread(cidecar_client *client)
{
	pthread_condattr_t clock;
	if (client->threaded) return 0;
	client->notify = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (client->notify < 0) return -errno;
	pthread_mutex_init(&client->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&client->served, &clock);
	pthread_condattr_destroy(&clock);
	client->threaded = true;
	int failed = start(client);
	if (failed) {
		client->threaded = false;
		close(client->notify);
		client->notify = -1;
	}
	return failed;
}
