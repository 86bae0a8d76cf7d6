/* SPDX-License-Identifier: Apache-2.0 */
/* What comes of a packet: it belongs to a connection, begins one, or gets a short answer. */
#include <gnutls/crypto.h>
#include <string.h>

#include "server.h"

/* Packets at one time, so that the other sockets get their turn. */
#define PACKETS 64
/* Stateless resets in a second: anybody can provoke them. */
#define RESETS_A_SECOND 100
/* The shortest reset, and the longest that is sent (RFC 9000, section 10.3). */
#define MIN_RESET 21
#define MAX_RESET 43

static void negotiate_version(int fd, const ngtcp2_path *path, const ngtcp2_version_cid *header)
{
	static const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
	uint8_t packet[1280];
	uint8_t random;
	gnutls_rnd(GNUTLS_RND_NONCE, &random, 1);
	ngtcp2_ssize length = ngtcp2_pkt_write_version_negotiation(packet, sizeof(packet), random,
		header->scid, header->scidlen, header->dcid, header->dcidlen, versions, 1);
	if (length <= 0) return;
	udp_send(fd, (const struct sockaddr *)path->local.addr,
		(const struct sockaddr *)path->remote.addr, path->remote.addrlen, packet,
		(size_t)length);
}

static bool may_reset(struct server *server)
{
	int64_t now = cidecar_now();
	if (now >= server->resets_until) {
		server->resets_until = now + 1000000000;
		server->resets = 0;
	}
	server->resets++;
	return server->resets <= RESETS_A_SECOND;
}

/* It is shorter than what it answers, so that two servers never reset each other for ever. */
static void send_reset(struct server *server, const struct short_header *header,
	const uint8_t token[CIDECAR_TOKEN])
{
	uint8_t random[MAX_RESET - CIDECAR_TOKEN];
	uint8_t packet[MAX_RESET];
	size_t length = header->length - 1 < MAX_RESET ? header->length - 1 : MAX_RESET;
	if (!may_reset(server)) return;
	gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof(random));
	ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset(
		packet, length, token, random, length - CIDECAR_TOKEN);
	if (written <= 0) return;
	udp_send(header->fd, &header->local.of.any, &header->remote.of.any, header->remote.length,
		packet, (size_t)written);
}

/* Returns false where the answer is still to come. */
static bool reset(struct server *server, const struct short_header *header)
{
	uint8_t token[CIDECAR_TOKEN];
	switch (cidecar_reset_token(server->client, header->cid, header->cid_length, token)) {
	case CIDECAR_YES:
		send_reset(server, header, token);
		return true;
	case CIDECAR_PENDING:
		return false;
	default:
		return true;
	}
}

void server_send_resets(struct server *server)
{
	size_t left = 0;
	for (size_t i = 0; i < server->waiting_count; i++) {
		if (reset(server, &server->waiting[i])) continue;
		server->waiting[left] = server->waiting[i];
		left++;
	}
	server->waiting_count = left;
}

/* For a connection of an earlier process. Where the token is not known yet, the packet is
 * remembered until the sidecar has answered. */
static void take_stray(struct server *server, int fd, const ngtcp2_path *path,
	const ngtcp2_version_cid *packet, size_t length)
{
	struct short_header header = {
		.fd = fd,
		.length = length,
		.cid_length = packet->dcidlen,
		.local = {.length = path->local.addrlen},
		.remote = {.length = path->remote.addrlen},
	};
	if (length <= MIN_RESET) return;
	memcpy(&header.local.of, path->local.addr, path->local.addrlen);
	memcpy(&header.remote.of, path->remote.addr, path->remote.addrlen);
	memcpy(header.cid, packet->dcid, packet->dcidlen);
	if (reset(server, &header) || server->waiting_count == MAX_WAITING) return;
	server->waiting[server->waiting_count] = header;
	server->waiting_count++;
}

static void take_packet(struct server *server, int fd, const ngtcp2_path *path,
	const uint8_t *packet, size_t length)
{
	ngtcp2_version_cid header;
	size_t cid_length = cidecar_cid_length(server->client);
	int failed = ngtcp2_pkt_decode_version_cid(&header, packet, length, cid_length);
	if (failed == NGTCP2_ERR_VERSION_NEGOTIATION) {
		if (length >= 1200) negotiate_version(fd, path, &header);
		return;
	}
	if (failed) return;
	struct connection *connection = table_get(server->table, header.dcid, header.dcidlen);
	if (connection == NULL) {
		ngtcp2_pkt_hd initial;
		if (!(packet[0] & 0x80)) {
			take_stray(server, fd, path, &header, length);
			return;
		}
		if (ngtcp2_accept(&initial, packet, length) != 0) return;
		connection = connection_accept(server, fd, path, &initial);
	}
	if (connection == NULL) return;
	connection->fd = fd;
	connection_receive(connection, path, packet, length);
}

void server_receive(struct server *server, size_t socket)
{
	static uint8_t packet[65536];
	int fd = server->sockets[socket];
	for (int i = 0; i < PACKETS; i++) {
		struct udp_address local;
		struct udp_address remote;
		long length = udp_receive(
			fd, &server->bound[socket], packet, sizeof(packet), &local, &remote);
		if (length < 0) return;
		ngtcp2_path path = {
			.local = {&local.of.any, local.length},
			.remote = {&remote.of.any, remote.length},
		};
		if (length > 0) take_packet(server, fd, &path, packet, (size_t)length);
	}
}
