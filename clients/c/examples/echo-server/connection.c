/* SPDX-License-Identifier: Apache-2.0 */
/* One QUIC connection. Long because the callbacks of ngtcp2 and what calls them belong together. */
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

#define WINDOW 262144
#define MAX_STREAMS 100
#define IDLE_SECONDS 30

uint64_t timestamp(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NGTCP2_SECONDS + (uint64_t)now.tv_nsec;
}

static void random_octets(uint8_t *octets, size_t length, const ngtcp2_rand_ctx *context)
{
	(void)context;
	gnutls_rnd(GNUTLS_RND_NONCE, octets, length);
}

static int new_cid(ngtcp2_conn *quic, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user)
{
	struct connection *connection = user;
	(void)quic;
	int failed = cidecar_ngtcp2_new_cid(&connection->cids, cid, token, length);
	if (failed) return failed;
	bool added = table_add(connection->server->table, cid, &connection->owner);
	return added ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int retired_cid(ngtcp2_conn *quic, const ngtcp2_cid *cid, void *user)
{
	struct connection *connection = user;
	(void)quic;
	cidecar_ngtcp2_retired(&connection->cids, cid);
	/* A packet that was long on its way may still carry it. It must not be taken for one of an
	 * earlier process, or the reset would end this connection. */
	ngtcp2_cid *kept = &connection->retired[connection->retired_count % KEPT_RETIRED];
	if (connection->retired_count >= KEPT_RETIRED) {
		table_remove(connection->server->table, kept);
	}
	*kept = *cid;
	connection->retired_count++;
	return 0;
}

static int stream_data(ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t offset,
	const uint8_t *octets, size_t length, void *user, void *stream_user)
{
	struct connection *connection = user;
	(void)offset, (void)stream_user;
	cidecar_ngtcp2_active(&connection->cids);
	if (!ngtcp2_is_bidi_stream(id)) {
		ngtcp2_conn_extend_max_stream_offset(quic, id, length);
		ngtcp2_conn_extend_max_offset(quic, length);
		return 0;
	}
	struct stream *stream = stream_find(&connection->streams, id, true);
	if (stream == NULL || !stream_append(stream, octets, length)) {
		return NGTCP2_ERR_CALLBACK_FAILURE;
	}
	stream->fin = stream->fin || (flags & NGTCP2_STREAM_DATA_FLAG_FIN);
	return 0;
}

/* Only what the peer has got back makes room for more, so memory is bounded by the window. */
static int stream_acknowledged(ngtcp2_conn *quic, int64_t id, uint64_t offset, uint64_t length,
	void *user, void *stream_user)
{
	struct connection *connection = user;
	struct stream *stream = stream_find(&connection->streams, id, false);
	(void)offset, (void)stream_user;
	if (stream != NULL) stream_acknowledge(stream, (size_t)length);
	ngtcp2_conn_extend_max_stream_offset(quic, id, length);
	ngtcp2_conn_extend_max_offset(quic, length);
	return 0;
}

static int stream_closed(
	ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream_user)
{
	struct connection *connection = user;
	(void)flags, (void)code, (void)stream_user;
	stream_remove(&connection->streams, id);
	if (ngtcp2_is_bidi_stream(id)) ngtcp2_conn_extend_max_streams_bidi(quic, 1);
	return 0;
}

static const ngtcp2_callbacks callbacks = {
	.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.encrypt = ngtcp2_crypto_encrypt_cb,
	.decrypt = ngtcp2_crypto_decrypt_cb,
	.hp_mask = ngtcp2_crypto_hp_mask_cb,
	.update_key = ngtcp2_crypto_update_key_cb,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	.rand = random_octets,
	.get_new_connection_id = new_cid,
	.remove_connection_id = retired_cid,
	.recv_stream_data = stream_data,
	.acked_stream_data_offset = stream_acknowledged,
	.stream_close = stream_closed,
};

static ngtcp2_conn *quic_of(ngtcp2_crypto_conn_ref *reference)
{
	struct connection *connection = reference->user_data;
	return connection->quic;
}

static bool start_tls(struct connection *connection)
{
	static const char priorities[] =
		"%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
		"+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP256R1:"
		"+GROUP-X25519:+GROUP-SECP384R1";
	static unsigned char protocol[] = "echo";
	gnutls_datum_t alpn = {protocol, 4};
	if (gnutls_init(&connection->tls, GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET) != 0) {
		return false;
	}
	connection->reference = (ngtcp2_crypto_conn_ref){quic_of, connection};
	gnutls_session_set_ptr(connection->tls, &connection->reference);
	gnutls_certificate_credentials_t certificate = connection->server->certificate;
	return ngtcp2_crypto_gnutls_configure_server_session(connection->tls) == 0 &&
	       gnutls_priority_set_direct(connection->tls, priorities, NULL) == 0 &&
	       gnutls_credentials_set(connection->tls, GNUTLS_CRD_CERTIFICATE, certificate) == 0 &&
	       gnutls_alpn_set_protocols(connection->tls, &alpn, 1, GNUTLS_ALPN_MANDATORY) == 0;
}

static bool start_quic(struct connection *connection, const ngtcp2_path *path,
	const ngtcp2_pkt_hd *header, const ngtcp2_cid *scid, const ngtcp2_transport_params *params)
{
	ngtcp2_settings settings;
	ngtcp2_settings_default(&settings);
	settings.initial_ts = timestamp();
	if (ngtcp2_conn_server_new(&connection->quic, &header->scid, scid, path, header->version,
		    &callbacks, &settings, params, NULL, connection) != 0) {
		return false;
	}
	ngtcp2_conn_set_tls_native_handle(connection->quic, connection->tls);
	struct table *table = connection->server->table;
	return table_add(table, scid, &connection->owner) &&
	       table_add(table, &header->dcid, &connection->owner);
}

struct connection *connection_accept(
	struct server *server, int fd, const ngtcp2_path *path, const ngtcp2_pkt_hd *header)
{
	ngtcp2_transport_params params;
	ngtcp2_cid scid;
	struct connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL) return NULL;
	connection->server = server;
	connection->fd = fd;
	connection->owner.value = connection;
	connection->next = server->first;
	connection->place = &server->first;
	if (server->first != NULL) server->first->place = &connection->next;
	server->first = connection;
	server->open++;

	ngtcp2_transport_params_default(&params);
	params.initial_max_stream_data_bidi_remote = WINDOW;
	params.initial_max_data = 4 * WINDOW;
	params.initial_max_streams_bidi = MAX_STREAMS;
	params.max_idle_timeout = IDLE_SECONDS * NGTCP2_SECONDS;
	params.active_connection_id_limit = 7;
	params.original_dcid = header->dcid;
#if NGTCP2_VERSION_NUM >= 0x010000
	params.original_dcid_present = 1;
#endif
	struct cidecar_ngtcp2_cids *cids = &connection->cids;
	bool began = cidecar_ngtcp2_accept(server->cids, cids, connection, &scid, &params) == 0;
	if (!began || !start_tls(connection) ||
		!start_quic(connection, path, header, &scid, &params)) {
		connection_free(connection);
		return NULL;
	}
	server->accepted++;
	return connection;
}

void connection_free(struct connection *connection)
{
	table_remove_all(connection->server->table, &connection->owner);
	cidecar_ngtcp2_end(&connection->cids);
	*connection->place = connection->next;
	if (connection->next != NULL) connection->next->place = connection->place;
	if (connection->ends_at == 0) connection->server->open--;
	while (connection->streams != NULL) {
		stream_remove(&connection->streams, connection->streams->id);
	}
	if (connection->quic != NULL) ngtcp2_conn_del(connection->quic);
	if (connection->tls != NULL) gnutls_deinit(connection->tls);
	free(connection);
}

static void send_packet(struct connection *connection, const ngtcp2_path *path,
	const uint8_t *packet, size_t length)
{
	udp_send(connection->fd, (const struct sockaddr *)path->local.addr,
		(const struct sockaddr *)path->remote.addr, path->remote.addrlen, packet, length);
}

/* Waits until the peer has surely heard, and answers what it sends meanwhile. */
static void linger(struct connection *connection)
{
	if (connection->ends_at != 0) return;
	connection->ends_at = timestamp() + 3 * ngtcp2_conn_get_pto(connection->quic);
	connection->server->open--;
	cidecar_ngtcp2_end(&connection->cids);
}

#if NGTCP2_VERSION_NUM >= 0x010000
#define close_error ngtcp2_ccerr
#define close_error_default ngtcp2_ccerr_default
#define close_error_application ngtcp2_ccerr_set_application_error
#define close_error_liberr ngtcp2_ccerr_set_liberr
#define in_closing_period ngtcp2_conn_in_closing_period
#define in_draining_period ngtcp2_conn_in_draining_period
#else
#define close_error ngtcp2_connection_close_error
#define close_error_default ngtcp2_connection_close_error_default
#define close_error_application ngtcp2_connection_close_error_set_application_error
#define close_error_liberr ngtcp2_connection_close_error_set_transport_error_liberr
#define in_closing_period ngtcp2_conn_is_in_closing_period
#define in_draining_period ngtcp2_conn_is_in_draining_period
#endif

static void say_farewell(struct connection *connection, const close_error *error)
{
	ngtcp2_path_storage path;
	ngtcp2_pkt_info info;
	if (connection->ends_at != 0) return;
	ngtcp2_path_storage_zero(&path);
	ngtcp2_ssize length = ngtcp2_conn_write_connection_close(connection->quic, &path.path,
		&info, connection->farewell, sizeof(connection->farewell), error, timestamp());
	linger(connection);
	if (length <= 0) return;
	connection->farewell_length = (size_t)length;
	send_packet(connection, &path.path, connection->farewell, (size_t)length);
}

void connection_close(struct connection *connection, const char *reason)
{
	close_error error;
	close_error_default(&error);
	close_error_application(&error, 0, (const uint8_t *)reason, strlen(reason));
	say_farewell(connection, &error);
}

/* Ends the connection for an error of ngtcp2. */
static void fail(struct connection *connection, int failed)
{
	close_error error;
	if (failed == NGTCP2_ERR_DRAINING || failed == NGTCP2_ERR_CLOSING ||
		failed == NGTCP2_ERR_IDLE_CLOSE || failed == NGTCP2_ERR_DROP_CONN) {
		linger(connection);
		return;
	}
	fprintf(stderr, "echo-server: a connection ends: %s\n", ngtcp2_strerror(failed));
	close_error_default(&error);
	close_error_liberr(&error, failed, NULL, 0);
	say_farewell(connection, &error);
}

static struct stream *next_stream(struct connection *connection, const struct stream *after)
{
	struct stream *each = after == NULL ? connection->streams : after->next;
	while (each != NULL && !stream_waits(each)) each = each->next;
	return each;
}

/* Writes one packet of a stream, or of whatever else there is. Returns false where nothing more can
 * be written now. */
static bool write_packet(struct connection *connection, struct stream **stream)
{
	uint8_t packet[1500];
	ngtcp2_path_storage path;
	ngtcp2_pkt_info info;
	ngtcp2_ssize used = -1;
	ngtcp2_vec part = {NULL, 0};
	uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
	struct stream *from = *stream;
	if (from != NULL && from->sending != NULL) {
		part.base = from->sending->octets + from->sent;
		part.len = from->sending->length - from->sent;
	}
	bool last = from != NULL && (from->sending == NULL || from->sending->next == NULL);
	if (last && from->fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
	if (from == NULL) flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
	ngtcp2_path_storage_zero(&path);
	ngtcp2_ssize length = ngtcp2_conn_writev_stream(connection->quic, &path.path, &info, packet,
		sizeof(packet), &used, flags, from == NULL ? -1 : from->id, &part, 1, timestamp());
	if (from != NULL && used >= 0) {
		bool all = (size_t)used == part.len;
		if (used > 0) stream_sent(from, (size_t)used);
		if (all && (flags & NGTCP2_WRITE_STREAM_FLAG_FIN)) from->fin_sent = true;
	}
	if (length > 0) {
		send_packet(connection, &path.path, packet, (size_t)length);
		return true;
	}
	if (length == NGTCP2_ERR_WRITE_MORE) return true;
	if (length == NGTCP2_ERR_STREAM_DATA_BLOCKED || length == NGTCP2_ERR_STREAM_SHUT_WR ||
		length == NGTCP2_ERR_STREAM_NOT_FOUND) {
		*stream = next_stream(connection, from);
		return true;
	}
	if (length < 0) fail(connection, (int)length);
	return false;
}

void connection_write(struct connection *connection)
{
	if (connection->ends_at != 0) return;
	if (in_closing_period(connection->quic) || in_draining_period(connection->quic)) return;
	struct stream *stream = next_stream(connection, NULL);
	while (write_packet(connection, &stream)) {
		if (stream != NULL && !stream_waits(stream)) {
			stream = next_stream(connection, stream);
		}
	}
	ngtcp2_conn_update_pkt_tx_time(connection->quic, timestamp());
}

void connection_receive(struct connection *connection, const ngtcp2_path *path,
	const uint8_t *packet, size_t length)
{
	ngtcp2_pkt_info info = {0};
	if (connection->ends_at != 0) {
		if (connection->farewell_length == 0) return;
		send_packet(connection, path, connection->farewell, connection->farewell_length);
		return;
	}
	int failed =
		ngtcp2_conn_read_pkt(connection->quic, path, &info, packet, length, timestamp());
	if (failed)
		fail(connection, failed);
	else
		connection_write(connection);
}

void connection_tick(struct connection *connection, uint64_t now)
{
	if (connection->ends_at != 0) {
		if (connection->ends_at <= now) connection_free(connection);
		return;
	}
	if (ngtcp2_conn_get_expiry(connection->quic) > now) return;
	int failed = ngtcp2_conn_handle_expiry(connection->quic, now);
	if (failed)
		fail(connection, failed);
	else
		connection_write(connection);
}

uint64_t connection_next(const struct connection *connection)
{
	if (connection->ends_at != 0) return connection->ends_at;
	return ngtcp2_conn_get_expiry(connection->quic);
}
