/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "server.h"

struct arguments {
	const char *listen[MAX_SOCKETS];
	size_t listen_count;
	struct cidecar_options client;
	const char *certificate;
	const char *private_key;
	uint8_t server_use[14];
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "echo-server: %s: %s\n", what, why);
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: echo-server --listen ADDRESS:PORT... --sidecar SOCKET "
			"--certificate PEM --private-key PEM [--server-use HEX]\n");
	exit(2);
}

static void read_server_use(struct arguments *arguments, const char *hex)
{
	size_t digits = strlen(hex);
	if (digits % 2 != 0 || digits / 2 > sizeof(arguments->server_use)) usage();
	if (strspn(hex, "0123456789abcdefABCDEF") != digits) usage();
	arguments->client.server_use = arguments->server_use;
	arguments->client.server_use_length = digits / 2;
	for (size_t i = 0; i < digits / 2; i++) {
		const char octet[] = {hex[2 * i], hex[2 * i + 1], '\0'};
		arguments->server_use[i] = (uint8_t)strtoul(octet, NULL, 16);
	}
}

static void read_arguments(int count, char **values, struct arguments *arguments)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"sidecar", required_argument, NULL, 's'},
		{"certificate", required_argument, NULL, 'c'},
		{"private-key", required_argument, NULL, 'k'},
		{"server-use", required_argument, NULL, 'u'},
		{0},
	};
	*arguments = (struct arguments){.client.client_name = "echo-server-ngtcp2/0.1"};
	for (int option; (option = getopt_long(count, values, "", options, NULL)) != -1;) {
		if (option == 'l' && arguments->listen_count < MAX_SOCKETS) {
			arguments->listen[arguments->listen_count] = optarg;
			arguments->listen_count++;
		} else if (option == 's')
			arguments->client.socket = optarg;
		else if (option == 'c')
			arguments->certificate = optarg;
		else if (option == 'k')
			arguments->private_key = optarg;
		else if (option == 'u')
			read_server_use(arguments, optarg);
		else
			usage();
	}
	if (optind != count || arguments->listen_count == 0 || arguments->client.socket == NULL)
		usage();
	if (arguments->certificate == NULL || arguments->private_key == NULL) usage();
}

/* The order to reissue came: this connection's time to go. */
static void move(void *user, void *connection)
{
	struct server *server = user;
	server->closed_for_reissue++;
	connection_close(connection, "moved");
}

static void tell_event(void *user, const struct cidecar_event *event)
{
	if (event->type == CIDECAR_ANSWERED) server_send_resets(user);
	if (event->type == CIDECAR_REISSUE) {
		printf("{\"event\":\"reissue\",\"through_generation\":%" PRIu64 "}\n",
			event->through_generation);
	}
	if (event->type == CIDECAR_TROUBLE) fprintf(stderr, "echo-server: %s\n", event->message);
}

static void join(struct server *server, const struct arguments *arguments)
{
	struct cidecar_ngtcp2_options options = {
		.client = arguments->client, .close = move, .event = tell_event, .user = server};
	int failed = cidecar_ngtcp2_connect(&server->cids, &options);
	if (failed) fail("cidecar", strerror(-failed));
	server->client = cidecar_ngtcp2_client(server->cids);
}

static void tell_statistics(const struct server *server)
{
	struct cidecar_stats stats;
	cidecar_get_stats(server->client, &stats);
	printf("{\"event\":\"statistics\",\"open\":%" PRIu64 ",\"accepted\":%" PRIu64
	       ",\"moved\":0,\"closed_for_reissue\":%" PRIu64 ",\"taken\":%" PRIu64
	       ",\"dry\":%" PRIu64 ",\"connected\":%s}\n",
		server->open, server->accepted, server->closed_for_reissue, stats.taken, stats.made,
		stats.connected ? "true" : "false");
}

/* Returns false at the end of the input. */
static bool read_commands(const struct server *server)
{
	static char line[256];
	static size_t have;
	char octets[256];
	ssize_t length = read(STDIN_FILENO, octets, sizeof(octets));
	for (ssize_t i = 0; i < length; i++) {
		if (octets[i] != '\n') {
			line[have] = octets[i];
			if (have < sizeof(line) - 1) have++;
			continue;
		}
		line[have] = '\0';
		have = 0;
		if (strcmp(line, "statistics") == 0) tell_statistics(server);
	}
	return length > 0 || (length < 0 && errno == EINTR);
}

/* Returns how many milliseconds there is nothing to do. */
static int tick(struct server *server)
{
	uint64_t next = UINT64_MAX;
	struct connection *following;
	for (struct connection *each = server->first; each != NULL; each = following) {
		following = each->next;
		connection_tick(each, timestamp());
	}
	for (struct connection *each = server->first; each != NULL; each = each->next) {
		uint64_t at = connection_next(each);
		if (at < next) next = at;
	}
	if (next == UINT64_MAX) return -1;
	uint64_t now = timestamp();
	return next <= now ? 0 : (int)((next - now) / NGTCP2_MILLISECONDS) + 1;
}

static void open_sockets(struct server *server, const struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->listen_count; i++) {
		server->sockets[i] = udp_open(arguments->listen[i], &server->bound[i]);
		if (server->sockets[i] < 0) fail(arguments->listen[i], strerror(errno));
		server->socket_count++;
	}
}

static void run(struct server *server, const struct arguments *arguments, int signals)
{
	enum { SIGNALS, SIDECAR, INPUT, SOCKETS };
	struct pollfd fds[SOCKETS + MAX_SOCKETS] = {
		[SIGNALS] = {.fd = signals, .events = POLLIN},
		[SIDECAR] = {.fd = cidecar_fd(server->client), .events = POLLIN},
		[INPUT] = {.fd = STDIN_FILENO, .events = POLLIN},
	};
	for (size_t i = 0; i < MAX_SOCKETS; i++) {
		fds[SOCKETS + i] = (struct pollfd){.fd = -1, .events = POLLIN};
	}
	bool listening = false;
	while (!(fds[SIGNALS].revents & POLLIN)) {
		fflush(stdout);
		poll(fds, SOCKETS + server->socket_count, tick(server));
		if (fds[SIDECAR].revents) cidecar_ngtcp2_service(server->cids);
		if (fds[INPUT].revents && !read_commands(server)) fds[INPUT].fd = -1;
		/* Without the CID length a server cannot read a packet. */
		if (!listening && cidecar_ready(server->client)) {
			listening = true;
			open_sockets(server, arguments);
			printf("{\"event\":\"listening\"}\n");
			for (size_t i = 0; i < server->socket_count; i++) {
				fds[SOCKETS + i].fd = server->sockets[i];
			}
		}
		for (size_t i = 0; i < server->socket_count; i++) {
			if (fds[SOCKETS + i].revents) server_receive(server, i);
		}
	}
}

static int take_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int count, char **values)
{
	struct arguments arguments;
	read_arguments(count, values, &arguments);
	static struct server server;
	gnutls_certificate_allocate_credentials(&server.certificate);
	int failed = gnutls_certificate_set_x509_key_file(server.certificate, arguments.certificate,
		arguments.private_key, GNUTLS_X509_FMT_PEM);
	if (failed < 0) fail(arguments.certificate, gnutls_strerror(failed));
	server.table = table_new();
	if (server.table == NULL) fail("memory", strerror(ENOMEM));
	join(&server, &arguments);
	run(&server, &arguments, take_signals());

	for (struct connection *each = server.first; each != NULL; each = each->next) {
		connection_close(each, "the server ends");
	}
	while (server.first != NULL) connection_free(server.first);
	cidecar_ngtcp2_close(server.cids);
	table_free(server.table);
	gnutls_certificate_free_credentials(server.certificate);
	return 0;
}
