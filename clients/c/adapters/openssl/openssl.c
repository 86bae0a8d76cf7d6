/* SPDX-License-Identifier: Apache-2.0 */
#include "cidecar/openssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls {
	struct cidecar_transport transport;
	struct sockaddr_storage address;
	socklen_t address_length;
	char host[64]; /* as in the address */
	char *given;   /* what `transport.name` is */
	char *name;
	char *authorities;
	char *certificate;
	char *private_key;
	BIO_METHOD *method;
	SSL *ssl; /* NULL where there is no connection */
	int socket;
	bool wants_room;
	char why[160];
};

static struct tls *of(struct cidecar_transport *transport)
{
	return (struct tls *)transport;
}

/* OpenSSL's own sockets raise SIGPIPE. */
static int write_socket(BIO *bio, const char *octets, int length)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t sent = send(tls->socket, octets, (size_t)length, MSG_NOSIGNAL);
	BIO_clear_retry_flags(bio);
	bool again = errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
	if (sent < 0 && again) BIO_set_retry_write(bio);
	return (int)sent;
}

static int read_socket(BIO *bio, char *octets, int room)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t length = recv(tls->socket, octets, (size_t)room, 0);
	BIO_clear_retry_flags(bio);
	if (length < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
	return (int)length;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static void end(struct cidecar_transport *transport)
{
	struct tls *tls = of(transport);
	if (tls->ssl != NULL) SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	tls->ssl = NULL;
	if (tls->socket >= 0) close(tls->socket);
	tls->socket = -1;
	tls->wants_room = false;
	ERR_clear_error();
}

/* Keeps what OpenSSL says of its last failure, after what it was about. */
static int failed(struct tls *tls, const char *about)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	snprintf(tls->why, sizeof(tls->why), "%s%s%s", about, reason == NULL ? "" : ": ",
		reason == NULL ? "" : reason);
	ERR_clear_error();
	return -EPROTO;
}

static int load(struct tls *tls, SSL_CTX *context)
{
	if (SSL_CTX_load_verify_file(context, tls->authorities) != 1) {
		return failed(tls, tls->authorities);
	}
	if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1) {
		return failed(tls, tls->certificate);
	}
	if (SSL_CTX_use_PrivateKey_file(context, tls->private_key, SSL_FILETYPE_PEM) != 1) {
		return failed(tls, tls->private_key);
	}
	return 0;
}

static bool set_name(struct tls *tls, SSL *ssl)
{
	struct in6_addr address;
	const char *name = tls->name == NULL ? tls->host : tls->name;
	bool numeric =
		inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
	if (numeric) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int make_ssl(struct tls *tls)
{
	static const unsigned char h2[] = {2, 'h', '2'};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL) return failed(tls, "OpenSSL");
	int error = load(tls, context);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	/* Answers can have keys. */
	SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(
		context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!error) tls->ssl = SSL_new(context);
	SSL_CTX_free(context); /* The connection keeps what it needs. */
	if (error) return error;
	BIO *bio = tls->ssl == NULL ? NULL : BIO_new(tls->method);
	if (bio == NULL) return failed(tls, "OpenSSL");
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_connect_state(tls->ssl);
	if (SSL_set_alpn_protos(tls->ssl, h2, sizeof(h2)) != 0 || !set_name(tls, tls->ssl)) {
		return failed(tls, "OpenSSL");
	}
	return 0;
}

static int begin(struct cidecar_transport *transport)
{
	struct tls *tls = of(transport);
	const int on = 1;
	tls->why[0] = '\0';
	tls->socket = socket(tls->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tls->socket < 0) return -errno;
	setsockopt(tls->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	const struct sockaddr *address = (const struct sockaddr *)&tls->address;
	int error = 0;
	if (connect(tls->socket, address, tls->address_length) != 0) error = -errno;
	if (error == 0 || error == -EINPROGRESS) error = make_ssl(tls);
	if (error) end(transport);
	return error ? error : tls->socket;
}

/* What it means that a call of OpenSSL did nothing. */
static ssize_t why_nothing(struct tls *tls, int result, int system)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		tls->wants_room = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->wants_room = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return system == 0 ? -ECONNRESET : -system;
	default: {
		long verified = SSL_get_verify_result(tls->ssl);
		bool refused = verified != X509_V_OK;
		return failed(tls, refused ? X509_verify_cert_error_string(verified) : "TLS");
	}
	}
}

static ssize_t receive(struct cidecar_transport *transport, void *octets, size_t room)
{
	struct tls *tls = of(transport);
	size_t length;
	ERR_clear_error();
	errno = 0;
	int result = SSL_read_ex(tls->ssl, octets, room, &length);
	if (result == 1) tls->wants_room = false;
	return result == 1 ? (ssize_t)length : why_nothing(tls, result, errno);
}

static ssize_t transmit(struct cidecar_transport *transport, const void *octets, size_t length)
{
	struct tls *tls = of(transport);
	size_t sent;
	ERR_clear_error();
	errno = 0;
	int result = SSL_write_ex(tls->ssl, octets, length, &sent);
	if (result == 1) {
		tls->wants_room = false;
		return (ssize_t)sent;
	}
	ssize_t nothing = why_nothing(tls, result, errno);
	return nothing == 0 ? -EPIPE : nothing;
}

static bool wants_room(const struct cidecar_transport *transport)
{
	return ((const struct tls *)transport)->wants_room;
}

static const char *why(const struct cidecar_transport *transport, int error)
{
	const struct tls *tls = (const struct tls *)transport;
	return error != EPROTO || tls->why[0] == '\0' ? NULL : tls->why;
}

static void release(struct cidecar_transport *transport)
{
	struct tls *tls = of(transport);
	end(transport);
	BIO_meth_free(tls->method);
	free(tls->given);
	free(tls->name);
	free(tls->authorities);
	free(tls->certificate);
	free(tls->private_key);
	free(tls);
}

/* Reads an address with its port, without asking anybody. */
static bool read_address(struct tls *tls, const char *given)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	const char *colon = strrchr(given, ':');
	if (colon == NULL || colon == given) return false;
	bool brackets = given[0] == '[' && colon[-1] == ']';
	const char *start = given + brackets;
	size_t length = (size_t)(colon - start) - brackets;
	if (length == 0 || length >= sizeof(tls->host)) return false;
	memcpy(tls->host, start, length);
	if (getaddrinfo(tls->host, colon + 1, &hints, &found) != 0) return false;
	memcpy(&tls->address, found->ai_addr, found->ai_addrlen);
	tls->address_length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static bool copy_options(struct tls *tls, const struct cidecar_openssl_options *options)
{
	tls->given = strdup(options->address);
	tls->authorities = strdup(options->authorities);
	tls->certificate = strdup(options->certificate);
	tls->private_key = strdup(options->private_key);
	if (options->name != NULL) tls->name = strdup(options->name);
	bool named = options->name == NULL || tls->name != NULL;
	tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cidecar");
	if (tls->method == NULL) return false;
	BIO_meth_set_write(tls->method, write_socket);
	BIO_meth_set_read(tls->method, read_socket);
	BIO_meth_set_ctrl(tls->method, control);
	return named && tls->given && tls->authorities && tls->certificate && tls->private_key;
}

int cidecar_openssl_transport(
	struct cidecar_transport **transport, const struct cidecar_openssl_options *options)
{
	*transport = NULL;
	if (options->address == NULL || options->authorities == NULL) return -EINVAL;
	if (options->certificate == NULL || options->private_key == NULL) return -EINVAL;
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL) return -ENOMEM;
	tls->socket = -1;
	int error = read_address(tls, options->address) ? 0 : -EINVAL;
	if (!error && !copy_options(tls, options)) error = -ENOMEM;
	tls->transport = (struct cidecar_transport){
		.name = tls->given,
		.open = begin,
		.receive = receive,
		.send = transmit,
		.wants_room = wants_room,
		.why = why,
		.close = end,
		.free = release,
	};
	if (error) {
		release(&tls->transport);
		return error;
	}
	*transport = &tls->transport;
	return 0;
}
