/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client reaches its sidecar, where that is not by a unix socket: openssl.h makes one
 * for TCP with mutual TLS. Nothing here may wait. A transport belongs to one client, which calls
 * these functions in its thread and frees it.
 */
#ifndef CIDECAR_TRANSPORT_H
#define CIDECAR_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cidecar_transport {
	/* Where the sidecar is, for people. */
	const char *name;
	/* Begins a connection. Returns its descriptor, or a negative errno. */
	int (*open)(struct cidecar_transport *transport);
	/* Returns how many octets came, 0 at the end of the connection, -EAGAIN where there are
	 * none yet, or a negative errno where it broke. */
	ssize_t (*receive)(struct cidecar_transport *transport, void *octets, size_t room);
	/* Returns how many octets were taken, -EAGAIN where there is no room, or a negative errno.
	 * After -EAGAIN the same octets come again. */
	ssize_t (*send)(struct cidecar_transport *transport, const void *octets, size_t length);
	/* Whether the last call that returned -EAGAIN waits for room to write. */
	bool (*wants_room)(const struct cidecar_transport *transport);
	/* What there is to say of the last failure beside its errno; NULL where there is nothing.
	 */
	const char *(*why)(const struct cidecar_transport *transport, int error);
	/* Ends the connection. */
	void (*close)(struct cidecar_transport *transport);
	void (*free)(struct cidecar_transport *transport);
};

#ifdef __cplusplus
}
#endif

#endif
