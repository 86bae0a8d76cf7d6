/* SPDX-License-Identifier: Apache-2.0 */
/* A QUIC server that sends back what comes on each bidirectional stream. */
#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include <cidecar/ngtcp2.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "stream.h"
#include "table.h"
#include "udp.h"

#define MAX_SOCKETS 8

/* Packets that wait for the answer whether there is a reset token. */
#define MAX_WAITING 16

/* CIDs that a connection has no more, and that packets may still carry. */
#define KEPT_RETIRED 8

struct connection;

/* A packet of a connection that is not here. */
struct short_header {
	int fd;
	struct udp_address local;
	struct udp_address remote;
	size_t length; /* of the packet */
	uint8_t cid[CIDECAR_MAX_CID];
	size_t cid_length;
};

struct server {
	cidecar_ngtcp2 *cids;
	cidecar_client *client;
	gnutls_certificate_credentials_t certificate;
	struct table *table;
	struct connection *first;
	size_t socket_count;
	int sockets[MAX_SOCKETS];
	struct udp_address bound[MAX_SOCKETS];
	uint64_t open;
	uint64_t accepted;
	uint64_t closed_for_reissue;
	uint64_t dry;         /* connections that began with a 0b111 CID */
	int64_t resets_until; /* the second in which resets are counted */
	unsigned resets;
	struct short_header waiting[MAX_WAITING];
	size_t waiting_count;
};

struct connection {
	ngtcp2_crypto_conn_ref reference; /* first, for GnuTLS */
	struct server *server;
	struct connection *next;
	struct connection **place;
	struct cidecar_ngtcp2_cids cids;
	ngtcp2_cid retired[KEPT_RETIRED]; /* the last ones */
	size_t retired_count;
	ngtcp2_conn *quic;
	gnutls_session_t tls;
	struct table_owner owner; /* of its CIDs, the one that the client chose too */
	int fd;
	struct stream *streams;
	/* Closed: the last packet, sent again until this time. */
	uint8_t farewell[1280];
	size_t farewell_length;
	uint64_t ends_at; /* 0 while it is open */
};

/* In packets.c. */
void server_receive(struct server *server, size_t socket);
/* Answers came of the sidecar. */
void server_send_resets(struct server *server);

/* In connection.c. */
struct connection *connection_accept(
	struct server *server, int fd, const ngtcp2_path *path, const ngtcp2_pkt_hd *header);
void connection_receive(struct connection *connection, const ngtcp2_path *path,
	const uint8_t *packet, size_t length);
/* Does what its time has come for. The connection may be gone afterwards. */
void connection_tick(struct connection *connection, uint64_t now);
/* When that is to be called. */
uint64_t connection_next(const struct connection *connection);
void connection_write(struct connection *connection);
/* Closes with the application's error 0. */
void connection_close(struct connection *connection, const char *reason);
void connection_free(struct connection *connection);

/* Nanoseconds. */
uint64_t timestamp(void);

#endif
