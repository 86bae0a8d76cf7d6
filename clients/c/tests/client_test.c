/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions where there is no sidecar; the scenarios of the contract play the rest. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "cidecar/cidecar.h"
#include "test.h"

static char folder[] = "/tmp/cidecar-test-XXXXXX";

static void test_refusals(void)
{
	cidecar_client *client;
	char path[200];
	memset(path, 'a', sizeof(path));
	path[199] = '\0';
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = NULL}) == -EINVAL);
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = ""}) == -EINVAL);
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = path}) == -ENAMETOOLONG);
	path[108] = '\0';
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = path}) == -ENAMETOOLONG);
	CHECK(client == NULL);
	path[107] = '\0';
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = path}) == 0);
	cidecar_close(client);
	cidecar_close(NULL);
}

/* Waits until the descriptor is readable, and returns the next event. */
static struct cidecar_event next_event(cidecar_client *client)
{
	struct cidecar_event event;
	while (!cidecar_next_event(client, &event)) {
		struct pollfd fd = {.fd = cidecar_fd(client), .events = POLLIN};
		CHECK(poll(&fd, 1, 30000) == 1);
		cidecar_service(client);
	}
	return event;
}

static void test_without_sidecar(bool threaded)
{
	cidecar_client *client;
	struct cidecar_cid cid;
	struct cidecar_stats stats;
	uint8_t token[CIDECAR_TOKEN];
	char path[64];
	snprintf(path, sizeof(path), "%s/s", folder);
	CHECK(cidecar_connect(&client, &(struct cidecar_options){.socket = path}) == 0);
	if (threaded) CHECK(cidecar_start_thread(client) == 0);
	struct cidecar_event event = next_event(client);
	CHECK(event.type == CIDECAR_TROUBLE && event.error == ENOENT);
	CHECK(strstr(event.message, path) != NULL);
	CHECK(cidecar_wait_ready(client, 120) == -ETIMEDOUT);
	CHECK(!cidecar_ready(client) && cidecar_cid_length(client) == 0);
	CHECK(cidecar_take(client, &cid) == -EAGAIN);
	CHECK(cidecar_reset_token(client, token, 8, token) == CIDECAR_UNAVAILABLE);
	CHECK(cidecar_is_own(client, token, 8) == CIDECAR_UNAVAILABLE);
	cidecar_get_stats(client, &stats);
	CHECK(!stats.connected && stats.level == 0 && stats.error == ENOENT && stats.silence == -1);
	/* The alarm makes the descriptor readable, and is off afterwards. */
	cidecar_alarm(client, cidecar_now() + 1000000);
	struct pollfd fd = {.fd = cidecar_fd(client), .events = POLLIN};
	CHECK(poll(&fd, 1, 30000) == 1);
	cidecar_service(client);
	cidecar_close(client);
}

void test_client(void)
{
	CHECK(mkdtemp(folder) != NULL);
	test_refusals();
	test_without_sidecar(false);
	test_without_sidecar(true);
	rmdir(folder);
}
