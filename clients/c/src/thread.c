/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a client, for servers without a loop. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client.h"

static void *run(void *argument)
{
	cidecar_client *client = argument;
	struct pollfd fd = {.fd = client->link.epoll, .events = POLLIN};
	for (;;) {
		poll(&fd, 1, -1);
		pthread_mutex_lock(&client->lock);
		int64_t alarm = client->alarm;
		bool was_ready = cdc_client_is_ready(client);
		if (!client->stop) cdc_client_service(client);
		bool stop = client->stop;
		/* A server that waits in a loop until the client is ready has to look again. */
		bool ready = !was_ready && cdc_client_is_ready(client);
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
