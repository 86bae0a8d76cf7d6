/* SPDX-License-Identifier: Apache-2.0 */
/* The test program of this client: clients/contract/README.md has the commands. Long because each
 * command and its answer are here. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cidecar/cidecar.h"
#include "cidecar/openssl.h"
#include "json.h"

#define MAX_LINE 65536
#define MAX_WAITING 64

/* A command whose answer comes later. */
struct waiting {
	enum { NOTHING, READY, TOKEN, OWN, PACE } what;
	long long id;
	int64_t until;
	uint8_t cid[CIDECAR_MAX_CID];
	size_t length;
	struct cidecar_pace pace;
	int64_t *replaced_at;
};

static cidecar_client *client;
/* The program was started with --thread. */
static bool threaded;
static struct waiting waiting[MAX_WAITING];
/* With --thread the hook is called in the thread of the library. */
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cidecar_held held[CIDECAR_MAX_HELD];
static size_t held_count;
/* Events, as JSON with commas between them. */
static char *events;
static size_t events_length;
static FILE *events_out;

static size_t say_held(void *user, struct cidecar_held all[CIDECAR_MAX_HELD])
{
	(void)user;
	pthread_mutex_lock(&held_lock);
	size_t count = held_count;
	memcpy(all, held, count * sizeof(held[0]));
	pthread_mutex_unlock(&held_lock);
	return count;
}

static void answer_error(long long id, const char *text)
{
	printf("{\"id\":%lld,\"error\":", id);
	json_write_text(stdout, text);
	printf("}\n");
}

/* Writes an answer with CIDs, up to what else it has and its end. */
static void begin_cids(
	long long id, const uint8_t *cids, size_t length, const uint8_t *tokens, size_t count)
{
	printf("{\"id\":%lld,\"cids\":", id);
	json_write_base64(stdout, cids, length);
	printf(",\"tokens\":");
	json_write_base64(stdout, tokens, count * CIDECAR_TOKEN);
}

static void answer_nothing(long long id)
{
	printf("{\"id\":%lld}\n", id);
}

static struct waiting *wait_for(int what, long long id)
{
	for (struct waiting *each = waiting; each < waiting + MAX_WAITING; each++) {
		if (each->what != NOTHING) continue;
		*each = (struct waiting){.what = what, .id = id};
		return each;
	}
	answer_error(id, "too many commands wait");
	return NULL;
}

static size_t read_hex(const char *text, uint8_t *octets, size_t room)
{
	size_t length = strlen(text) / 2;
	for (size_t i = 0; i < length && i < room; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
		octets[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return length < room ? length : room;
}

/* The transport to a sidecar on TCP. Returns 0, or what is below it. */
static int make_tls(struct cidecar_transport **transport, const char *line)
{
	char address[64];
	char name[64];
	char authorities[256];
	char certificate[256];
	char private_key[256];
	struct cidecar_openssl_options options = {
		.address = address,
		.authorities = authorities,
		.certificate = certificate,
		.private_key = private_key,
	};
	bool whole = json_text(line, "address", address, sizeof(address)) &&
		     json_text(line, "authorities", authorities, sizeof(authorities)) &&
		     json_text(line, "certificate", certificate, sizeof(certificate)) &&
		     json_text(line, "private_key", private_key, sizeof(private_key));
	if (!whole) return -EINVAL;
	if (json_text(line, "name", name, sizeof(name))) options.name = name;
	return cidecar_openssl_transport(transport, &options);
}

static void start(long long id, const char *line)
{
	char socket[256];
	char text[64];
	uint8_t server_use[32];
	struct cidecar_options options = {
		.socket = socket,
		.high_water = (uint32_t)json_number(line, "high_water", 4096),
		.client_name = "contract-test",
		.cannot_retire = json_is_false(line, "can_retire"),
		.held = say_held,
	};
	if (!json_text(line, "socket", socket, sizeof(socket))) socket[0] = '\0';
	if (json_text(line, "server_use", text, sizeof(text))) {
		options.server_use = server_use;
		options.server_use_length = read_hex(text, server_use, sizeof(server_use));
	}
	int failed = 0;
	if (json_member(line, "address") != NULL) {
		options.socket = NULL;
		failed = make_tls(&options.transport, line);
	}
	if (!failed) failed = cidecar_connect(&client, &options);
	if (failed) answer_error(id, strerror(-failed));
	if (!failed && threaded) failed = cidecar_start_thread(client);
	if (!failed) answer_nothing(id);
}

struct run {
	uint64_t generation;
	bool routable;
	size_t count;
};

static void take(long long id, const char *line)
{
	size_t count = (size_t)json_number(line, "count", 1);
	uint8_t *cids = malloc(count * CIDECAR_MAX_CID + 1);
	uint8_t *tokens = malloc(count * CIDECAR_TOKEN + 1);
	struct run *runs = calloc(count + 1, sizeof(*runs));
	size_t cids_length = 0;
	size_t run_count = 0;
	int failed = 0;
	for (size_t i = 0; i < count && !failed; i++) {
		struct cidecar_cid cid;
		failed = cidecar_take(client, &cid);
		if (failed) break;
		memcpy(cids + cids_length, cid.cid, cid.length);
		memcpy(tokens + i * CIDECAR_TOKEN, cid.token, CIDECAR_TOKEN);
		cids_length += cid.length;
		struct run *run = &runs[run_count == 0 ? 0 : run_count - 1];
		if (run_count == 0 || run->generation != cid.generation ||
			run->routable != cid.routable) {
			run = &runs[run_count];
			*run = (struct run){cid.generation, cid.routable, 0};
			run_count++;
		}
		run->count++;
	}
	if (failed) {
		answer_error(id, strerror(-failed));
	} else {
		begin_cids(id, cids, cids_length, tokens, count);
		printf(",\"runs\":[");
		for (size_t i = 0; i < run_count; i++) {
			printf("%s{\"generation\":%llu,\"routable\":%s,\"count\":%zu}",
				i == 0 ? "" : ",", (unsigned long long)runs[i].generation,
				runs[i].routable ? "true" : "false", runs[i].count);
		}
		printf("]}\n");
	}
	free(cids);
	free(tokens);
	free(runs);
}

/* The client that mints, of another sidecar than the scripted one. */
static cidecar_client *minting;

static bool connect_minting(const char *line)
{
	char socket[256];
	struct cidecar_options options = {.socket = socket, .client_name = "contract-test"};
	if (minting != NULL) return true;
	if (!json_text(line, "socket", socket, sizeof(socket))) return false;
	if (cidecar_connect(&minting, &options) != 0) return false;
	return cidecar_wait_ready(minting, 30000) == 0;
}

/* Waits until a lease came; returns why none did, or NULL. */
static const char *await_lease(void)
{
	static struct cidecar_event event;
	int failed = cidecar_lease(minting, 1000);
	if (failed) return strerror(-failed);
	for (;;) {
		struct pollfd fd = {.fd = cidecar_fd(minting), .events = POLLIN};
		poll(&fd, 1, -1);
		cidecar_service(minting);
		while (cidecar_next_event(minting, &event)) {
			if (event.type == CIDECAR_LEASED) return NULL;
			if (event.type == CIDECAR_NO_LEASE) return event.message;
		}
	}
}

static void mint(long long id, const char *line)
{
	size_t count = (size_t)json_number(line, "count", 1);
	uint8_t *cids = malloc(count * CIDECAR_MAX_CID + 1);
	uint8_t *tokens = malloc(count * CIDECAR_TOKEN + 1);
	const char *why = connect_minting(line) ? NULL : "there is no sidecar";
	size_t length = 0;
	size_t made = 0;
	while (made < count && why == NULL) {
		struct cidecar_cid cid;
		int failed = cidecar_mint(minting, &cid);
		if (failed) {
			why = failed == -ENODATA ? await_lease() : strerror(-failed);
			continue;
		}
		memcpy(cids + length, cid.cid, cid.length);
		memcpy(tokens + made * CIDECAR_TOKEN, cid.token, CIDECAR_TOKEN);
		length += cid.length;
		made++;
	}
	if (why != NULL) {
		answer_error(id, why);
	} else {
		begin_cids(id, cids, length, tokens, count);
		printf("}\n");
	}
	free(cids);
	free(tokens);
}

static void stats(long long id)
{
	struct cidecar_stats now;
	cidecar_get_stats(client, &now);
	printf("{\"id\":%lld,\"connected\":%s,\"level\":%u,\"generation\":%llu,\"dry\":%s,"
	       "\"stale\":%s,\"reason\":",
		id, now.connected ? "true" : "false", now.level, (unsigned long long)now.generation,
		now.dry ? "true" : "false", now.stale ? "true" : "false");
	if (now.reason[0] == '\0') printf("null");
	if (now.reason[0] != '\0') json_write_text(stdout, now.reason);
	printf("}\n");
}

static void hold(long long id, const char *line)
{
	const char *at = json_member(line, "generations");
	pthread_mutex_lock(&held_lock);
	held_count = 0;
	while (at != NULL && held_count < CIDECAR_MAX_HELD) {
		struct cidecar_held *next = &held[held_count];
		at = json_next_pair(at, &next->generation, &next->connections);
		if (at != NULL) held_count++;
	}
	pthread_mutex_unlock(&held_lock);
	answer_nothing(id);
}

static void ask(long long id, const char *line, int what)
{
	char text[64];
	struct waiting *question = wait_for(what, id);
	if (question == NULL) return;
	if (!json_text(line, "cid", text, sizeof(text))) text[0] = '\0';
	question->length = read_hex(text, question->cid, sizeof(question->cid));
}

static void pace(long long id, const char *line)
{
	struct waiting *paced = wait_for(PACE, id);
	if (paced == NULL) return;
	size_t items = (size_t)json_number(line, "items", 0);
	int64_t now = cidecar_now();
	int64_t within = json_number(line, "within_ms", 0) * 1000000;
	paced->replaced_at = calloc(items + 1, sizeof(int64_t));
	cidecar_pace_begin(&paced->pace, items, now, now + within);
}

static void tell_events(long long id)
{
	fclose(events_out);
	printf("{\"id\":%lld,\"events\":[%s]}\n", id, events);
	free(events);
	events_out = open_memstream(&events, &events_length);
}

static void command(const char *line)
{
	char name[32];
	long long id = json_number(line, "id", 0);
	if (!json_text(line, "do", name, sizeof(name))) name[0] = '\0';
	if (strcmp(name, "start") == 0)
		start(id, line);
	else if (strcmp(name, "mint") == 0)
		mint(id, line);
	else if (client == NULL)
		answer_error(id, "there was no start");
	else if (strcmp(name, "ready") == 0) {
		struct waiting *ready = wait_for(READY, id);
		int64_t timeout = json_number(line, "timeout_ms", 0) * 1000000;
		if (ready != NULL) ready->until = cidecar_now() + timeout;
	} else if (strcmp(name, "take") == 0)
		take(id, line);
	else if (strcmp(name, "stats") == 0)
		stats(id);
	else if (strcmp(name, "events") == 0)
		tell_events(id);
	else if (strcmp(name, "hold") == 0)
		hold(id, line);
	else if (strcmp(name, "reset-token") == 0)
		ask(id, line, TOKEN);
	else if (strcmp(name, "is-own") == 0)
		ask(id, line, OWN);
	else if (strcmp(name, "pace") == 0)
		pace(id, line);
	else if (strcmp(name, "close") == 0) {
		cidecar_close(client);
		client = NULL;
		answer_nothing(id);
	} else
		answer_error(id, "no such command");
}

static void note_event(const struct cidecar_event *event)
{
	static const char *const names[] = {
		[CIDECAR_CONNECTED] = "connected",
		[CIDECAR_DISCONNECTED] = "disconnected",
		[CIDECAR_DRY] = "dry",
		[CIDECAR_RECOVERED] = "recovered",
		[CIDECAR_STALE] = "stale",
		[CIDECAR_TROUBLE] = "trouble",
		[CIDECAR_REISSUE] = "reissue",
	};
	if (event->type >= CIDECAR_ANSWERED) return;
	fprintf(events_out, "%s{\"event\":\"%s\"", ftell(events_out) == 0 ? "" : ",",
		names[event->type]);
	if (event->type == CIDECAR_TROUBLE) {
		fprintf(events_out, ",\"message\":");
		json_write_text(events_out, event->message);
	}
	if (event->type == CIDECAR_REISSUE) {
		fprintf(events_out, ",\"through_generation\":%llu,\"due\":%s",
			(unsigned long long)event->through_generation,
			event->deadline <= cidecar_now() ? "true" : "false");
	}
	fprintf(events_out, "}");
}

static bool look_at_ready(const struct waiting *ready)
{
	if (cidecar_ready(client)) {
		printf("{\"id\":%lld,\"cid_length\":%zu}\n", ready->id, cidecar_cid_length(client));
		return true;
	}
	if (cidecar_now() < ready->until) return false;
	struct cidecar_stats now;
	cidecar_get_stats(client, &now);
	answer_error(ready->id, now.reason[0] == '\0' ? "no CIDs came in time" : now.reason);
	return true;
}

static bool look_at_question(const struct waiting *question)
{
	uint8_t token[CIDECAR_TOKEN];
	bool own = question->what == OWN;
	enum cidecar_answer answer;
	if (own)
		answer = cidecar_is_own(client, question->cid, question->length);
	else
		answer = cidecar_reset_token(client, question->cid, question->length, token);
	if (answer == CIDECAR_PENDING) return false;
	if (answer == CIDECAR_UNAVAILABLE) {
		answer_error(question->id, "nobody can tell");
	} else if (own) {
		printf("{\"id\":%lld,\"own\":%s}\n", question->id,
			answer == CIDECAR_YES ? "true" : "false");
	} else if (answer == CIDECAR_NO) {
		printf("{\"id\":%lld,\"token\":null}\n", question->id);
	} else {
		printf("{\"id\":%lld,\"token\":\"", question->id);
		for (size_t i = 0; i < CIDECAR_TOKEN; i++) printf("%02x", token[i]);
		printf("\"}\n");
	}
	return true;
}

static bool look_at_pace(struct waiting *paced)
{
	int64_t now = cidecar_now();
	size_t done = paced->pace.done;
	cidecar_pace_due(&paced->pace, now);
	for (; done < paced->pace.done; done++) {
		paced->replaced_at[done] = (now - paced->pace.began) / 1000000;
	}
	paced->until = cidecar_pace_next(&paced->pace);
	if (paced->pace.done < paced->pace.items) return false;
	printf("{\"id\":%lld,\"at_ms\":[", paced->id);
	for (size_t i = 0; i < done; i++) {
		printf("%s%lld", i == 0 ? "" : ",", (long long)paced->replaced_at[i]);
	}
	printf("]}\n");
	free(paced->replaced_at);
	return true;
}

/* Answers what can be answered; returns how many milliseconds the rest can wait. */
static int look_at_waiting(void)
{
	int64_t next = INT64_MAX;
	for (struct waiting *each = waiting; each < waiting + MAX_WAITING; each++) {
		bool done = false;
		if (each->what == NOTHING || client == NULL) continue;
		if (each->what == READY) done = look_at_ready(each);
		if (each->what == TOKEN || each->what == OWN) done = look_at_question(each);
		if (each->what == PACE) done = look_at_pace(each);
		if (done) each->what = NOTHING;
		if (!done && each->until != 0 && each->until < next) next = each->until;
	}
	fflush(stdout);
	if (next == INT64_MAX) return -1;
	int64_t left = next - cidecar_now();
	return left < 0 ? 0 : (int)(left / 1000000) + 1;
}

/* Returns false at the end of the input. */
static bool read_commands(void)
{
	static char input[MAX_LINE];
	static size_t have;
	ssize_t length = read(STDIN_FILENO, input + have, sizeof(input) - have - 1);
	if (length <= 0) return length < 0 && errno == EINTR;
	have += (size_t)length;
	input[have] = '\0';
	char *line = input;
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		command(line);
	}
	have -= (size_t)(line - input);
	memmove(input, line, have);
	return true;
}

int main(int count, char **arguments)
{
	threaded = count > 1 && strcmp(arguments[1], "--thread") == 0;
	events_out = open_memstream(&events, &events_length);
	for (bool more = true; more;) {
		int wait = look_at_waiting();
		struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}};
		if (client != NULL) fds[1] = (struct pollfd){cidecar_fd(client), POLLIN, 0};
		poll(fds, client != NULL ? 2 : 1, wait);
		if (client != NULL && fds[1].revents != 0) {
			struct cidecar_event event;
			cidecar_service(client);
			while (cidecar_next_event(client, &event)) note_event(&event);
		}
		if (fds[0].revents != 0) more = read_commands();
	}
	cidecar_close(client);
	cidecar_close(minting);
	fclose(events_out);
	free(events);
	return 0;
}
