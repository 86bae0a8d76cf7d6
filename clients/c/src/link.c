/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Reads at one time, so that a busy sidecar leaves the loop of the server its turn. */
#define READS 16

static int watch(struct cdc_link *link, int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	return epoll_ctl(link->epoll, operation, fd, &event) == 0 ? 0 : -errno;
}

int cdc_link_init(
	struct cdc_link *link, struct cdc_session *session, struct cidecar_transport *transport)
{
	memset(link, 0, sizeof(*link));
	link->session = session;
	link->socket = -1;
	link->armed = CDC_NEVER;
	cdc_backoff_reset(&link->backoff);
	link->epoll = link->timer = link->wake = -1;
	link->transport = transport;
	link->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (link->epoll >= 0)
		link->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (link->timer >= 0) link->wake = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	int failed = link->wake < 0 ? -errno : 0;
	if (!failed) failed = watch(link, EPOLL_CTL_ADD, link->timer, EPOLLIN);
	if (!failed) failed = watch(link, EPOLL_CTL_ADD, link->wake, EPOLLIN);
	return failed;
}

void cdc_link_wake(struct cdc_link *link)
{
	uint64_t one = 1;
	ssize_t written = write(link->wake, &one, sizeof(one));
	(void)written; /* It fails where the descriptor is readable already. */
}

static void drain(int fd)
{
	uint64_t count;
	ssize_t length = read(fd, &count, sizeof(count));
	(void)length; /* It fails where there was nothing. */
}

/* Polls for room to write where the socket took less than all. */
static void poll_for_room(struct cdc_link *link, bool wanted)
{
	if (link->polls_for_room == wanted) return;
	link->polls_for_room = wanted;
	watch(link, EPOLL_CTL_MOD, link->socket, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Returns 0, or the errno of a connection that is broken. */
static int send_all(struct cdc_link *link)
{
	for (;;) {
		if (link->unsent_length == 0) {
			link->unsent_length = cdc_call_send(link->call, &link->unsent);
		}
		if (link->unsent_length == 0) break;
		ssize_t sent =
			link->transport->send(link->transport, link->unsent, link->unsent_length);
		if (sent == -EAGAIN) break;
		if (sent < 0) return (int)-sent;
		link->unsent += sent;
		link->unsent_length -= (size_t)sent;
	}
	poll_for_room(link, link->transport->wants_room(link->transport));
	return 0;
}

static void close_socket(struct cdc_link *link)
{
	if (link->socket >= 0) {
		cdc_call_end(link->call);
		send_all(link);
		link->transport->close(link->transport);
	}
	cdc_call_free(link->call);
	link->call = NULL;
	link->socket = -1;
	link->unsent_length = 0;
	link->polls_for_room = false;
}

void cdc_link_close(struct cdc_link *link)
{
	close_socket(link);
	if (link->transport != NULL) link->transport->free(link->transport);
	if (link->epoll >= 0) close(link->epoll);
	if (link->timer >= 0) close(link->timer);
	if (link->wake >= 0) close(link->wake);
}

static void pause_for(struct cdc_link *link)
{
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), 0) < 0) random = 0;
	link->retry_at = link->session->now() + cdc_backoff_next(&link->backoff, random);
}

static void lose(struct cdc_link *link, enum cdc_call_state state, const char *reason, int error)
{
	/* A connect is no sign of life: it succeeds while the sidecar is still starting. */
	if (cdc_call_heard(link->call)) cdc_backoff_reset(&link->backoff);
	if (state == CDC_CALL_GIVEN_UP) cdc_backoff_use_longest(&link->backoff);
	close_socket(link);
	cdc_session_lost(link->session, reason, error);
	pause_for(link);
}

/* The system's words, and the transport's. */
static void say_why(const struct cdc_link *link, const char *what, int error, char *text)
{
	const char *why = link->transport->why(link->transport, error);
	char system[64];
	snprintf(system, sizeof(system), "%s", strerror(error));
	snprintf(text, CIDECAR_TEXT, "%s: %s%s%s", what, system, why == NULL ? "" : "; ",
		why == NULL ? "" : why);
}

static void refused(struct cdc_link *link, int error)
{
	char reason[CIDECAR_TEXT];
	char what[160];
	snprintf(what, sizeof(what), "no connection to %s", link->transport->name);
	say_why(link, what, error, reason);
	cdc_session_lost(link->session, reason, error);
	pause_for(link);
}

static void open_socket(struct cdc_link *link)
{
	int fd = link->transport->open(link->transport);
	if (fd < 0) {
		refused(link, -fd);
		return;
	}
	link->call = cdc_call_begin(link->session);
	int failed = link->call == NULL ? -ENOMEM : watch(link, EPOLL_CTL_ADD, fd, EPOLLIN);
	if (failed) {
		link->transport->close(link->transport);
		close_socket(link);
		refused(link, -failed);
		return;
	}
	link->socket = fd;
	link->opened_at = link->session->now();
}

static void ended(struct cdc_link *link, enum cdc_call_state state)
{
	char reason[CIDECAR_TEXT];
	bool why = state == CDC_CALL_ENDED && cdc_call_why(link->call, reason, sizeof(reason));
	lose(link, state, why ? reason : NULL, 0);
}

static void broken(struct cdc_link *link, int error)
{
	char reason[CIDECAR_TEXT];
	if (error == 0) {
		snprintf(reason, sizeof(reason), "the sidecar closed the connection");
	} else {
		say_why(link, "the connection to the sidecar broke", error, reason);
	}
	lose(link, CDC_CALL_ENDED, reason, error);
}

static void receive(struct cdc_link *link)
{
	for (int reads = 0; reads < READS; reads++) {
		ssize_t length = link->transport->receive(
			link->transport, link->octets, sizeof(link->octets));
		if (length == -EAGAIN) return;
		if (length <= 0) {
			broken(link, (int)-length);
			return;
		}
		/* The answer with a lease has keys. */
		bool keys = cdc_session_awaits_lease(link->session);
		enum cdc_call_state state;
		state = cdc_call_receive(link->call, link->octets, (size_t)length);
		if (keys) explicit_bzero(link->octets, (size_t)length);
		if (state != CDC_CALL_OPEN) {
			ended(link, state);
			return;
		}
	}
	/* A transport can hold octets of which the descriptor does not tell. */
	cdc_link_wake(link);
}

/* When a sidecar that says nothing is given up. */
static int64_t silent_at(const struct cdc_link *link)
{
	const struct cdc_session *session = link->session;
	if (!session->connected) return link->opened_at + CDC_HELLO_WITHIN;
	if (session->lifetime == 0) return CDC_NEVER;
	return session->heard_at + session->lifetime + CDC_SILENCE_AFTER_STALE;
}

static void serve_socket(struct cdc_link *link)
{
	receive(link);
	if (link->socket >= 0 && silent_at(link) <= link->session->now()) {
		lose(link, CDC_CALL_ENDED, "the sidecar accepts connections and says nothing", 0);
	}
	if (link->socket < 0) return;
	cdc_call_resume(link->call);
	int error = send_all(link);
	if (error != 0) broken(link, error);
}

static void arm(struct cdc_link *link, int64_t at)
{
	struct itimerspec time = {0};
	if (link->armed == at) return;
	link->armed = at;
	if (at != CDC_NEVER) {
		int64_t past_zero = at > 0 ? at : 1; /* 0 would mean never. */
		time.it_value.tv_sec = past_zero / CDC_SECOND;
		time.it_value.tv_nsec = past_zero % CDC_SECOND;
	}
	timerfd_settime(link->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

static int64_t earlier(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

void cdc_link_service(struct cdc_link *link, int64_t alarm)
{
	drain(link->wake);
	drain(link->timer);
	if (link->socket < 0 && link->retry_at <= link->session->now()) open_socket(link);
	int64_t next = cdc_session_tick(link->session);
	if (link->socket >= 0) serve_socket(link);
	next = earlier(next, link->socket < 0 ? link->retry_at : silent_at(link));
	/* What came may have set an earlier time than the tick before knew. */
	next = earlier(next, cdc_session_tick(link->session));
	arm(link, earlier(next, alarm));
}
