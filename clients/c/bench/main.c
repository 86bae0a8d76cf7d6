/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what the client costs a server: --sidecar SOCKET --count N. */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cidecar/cidecar.h"

#define HIGH_WATER 65536
#define LOW_WATER 32768

static long long resident(void)
{
	long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file == NULL) return 0;
	if (fscanf(file, "%*d %lld", &pages) != 1) pages = 0;
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static int threads(void)
{
	char line[256];
	int count = 0;
	FILE *file = fopen("/proc/self/status", "r");
	if (file == NULL) return 0;
	while (fgets(line, sizeof(line), file) != NULL) sscanf(line, "Threads: %d", &count);
	fclose(file);
	return count;
}

static uint32_t level(cidecar_client *client)
{
	struct cidecar_stats stats;
	cidecar_get_stats(client, &stats);
	return stats.level;
}

/* Serves the client until the sidecar did something. */
static void serve(cidecar_client *client)
{
	struct pollfd fd = {.fd = cidecar_fd(client), .events = POLLIN};
	struct cidecar_event event;
	poll(&fd, 1, 1000);
	cidecar_service(client);
	while (cidecar_next_event(client, &event)) {
		if (event.type == CIDECAR_TROUBLE) fprintf(stderr, "bench: %s\n", event.message);
	}
}

/* Nanoseconds for a CID, of a pool that is full and not refilled meanwhile. */
static double take_ns(cidecar_client *client)
{
	struct cidecar_cid cid;
	uint32_t count = HIGH_WATER - LOW_WATER;
	while (level(client) < HIGH_WATER) serve(client);
	int64_t began = cidecar_now();
	for (uint32_t i = 0; i < count; i++) cidecar_take(client, &cid);
	return (double)(cidecar_now() - began) / count;
}

static double cids_per_second(cidecar_client *client, uint64_t count)
{
	struct cidecar_cid cid;
	int64_t began = cidecar_now();
	for (uint64_t taken = 0; taken < count;) {
		while (taken < count && level(client) > 0) {
			for (int i = 0; i < 256 && taken < count && cidecar_ready(client); i++) {
				cidecar_take(client, &cid);
				taken++;
			}
		}
		if (taken < count) serve(client);
	}
	return (double)count / ((double)(cidecar_now() - began) / 1e9);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"sidecar", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'c'},
		{0},
	};
	const char *sidecar = NULL;
	uint64_t count = 1000000;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 's')
			sidecar = optarg;
		else if (option == 'c')
			count = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (sidecar == NULL) return 2;
	long long resident_before = resident();
	int threads_before = threads();
	cidecar_client *client;
	struct cidecar_options choice = {
		.socket = sidecar,
		.high_water = HIGH_WATER,
		.low_water = LOW_WATER,
		.client_name = "bench",
	};
	int failed = cidecar_connect(&client, &choice);
	if (failed == 0) failed = cidecar_wait_ready(client, 30000);
	if (failed) {
		fprintf(stderr, "bench: %s\n", strerror(-failed));
		return 1;
	}
	double ns = take_ns(client);
	double rate = cids_per_second(client, count);
	printf("{\"take_ns\":%.1f,\"cids_per_second\":%.0f,\"memory_octets\":%lld,\"threads\":%d}"
	       "\n",
		ns, rate, resident() - resident_before, threads() - threads_before);
	cidecar_close(client);
	return 0;
}
