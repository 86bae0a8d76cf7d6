/* SPDX-License-Identifier: Apache-2.0 */
#include "unix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct unix_transport {
	struct cidecar_transport transport;
	struct sockaddr_un address;
	int socket; /* -1 where there is no connection */
	bool full;  /* it takes nothing at present */
};

/* Absolute, so that the process may change its folder, unless only the relative path is short
 * enough. */
static int set_path(struct sockaddr_un *address, const char *path)
{
	char *target = address->sun_path;
	size_t room = sizeof(address->sun_path);
	size_t length = strlen(path);
	char absolute[2 * sizeof(address->sun_path)];
	char folder[sizeof(address->sun_path)];
	address->sun_family = AF_UNIX;
	if (length == 0) return -EINVAL;
	if (path[0] != '/' && getcwd(folder, sizeof(folder)) != NULL && length < room) {
		size_t total = (size_t)snprintf(absolute, sizeof(absolute), "%s/%s", folder, path);
		if (total < room) {
			memcpy(target, absolute, total + 1);
			return 0;
		}
	}
	if (length >= room) return -ENAMETOOLONG;
	memcpy(target, path, length + 1);
	return 0;
}

static struct unix_transport *of(struct cidecar_transport *transport)
{
	return (struct unix_transport *)transport;
}

static void end(struct cidecar_transport *transport)
{
	if (of(transport)->socket >= 0) close(of(transport)->socket);
	of(transport)->socket = -1;
	of(transport)->full = false;
}

static int begin(struct cidecar_transport *transport)
{
	struct unix_transport *this = of(transport);
	const struct sockaddr *address = (const struct sockaddr *)&this->address;
	this->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (this->socket < 0) return -errno;
	if (connect(this->socket, address, sizeof(this->address)) != 0) {
		int error = errno;
		end(transport);
		return -error;
	}
	return this->socket;
}

static ssize_t receive(struct cidecar_transport *transport, void *octets, size_t room)
{
	for (;;) {
		ssize_t length = recv(of(transport)->socket, octets, room, 0);
		if (length >= 0) return length;
		if (errno != EINTR) return -errno;
	}
}

static ssize_t transmit(struct cidecar_transport *transport, const void *octets, size_t length)
{
	for (;;) {
		ssize_t sent = send(of(transport)->socket, octets, length, MSG_NOSIGNAL);
		of(transport)->full = sent < 0 && errno == EAGAIN;
		if (sent >= 0) return sent;
		if (errno != EINTR) return -errno;
	}
}

static bool wants_room(const struct cidecar_transport *transport)
{
	return ((const struct unix_transport *)transport)->full;
}

static const char *why(const struct cidecar_transport *transport, int error)
{
	(void)transport;
	switch (error) {
	case ENOENT:
		return "is the path right, and does the sidecar run?";
	case EACCES:
		return "this user may not write to the socket: see --socket-mode and "
		       "--socket-group";
	case ECONNREFUSED:
		return "nobody listens there: does the sidecar run?";
	default:
		return NULL;
	}
}

static void release(struct cidecar_transport *transport)
{
	end(transport);
	free(transport);
}

int cdc_unix_transport(struct cidecar_transport **transport, const char *path)
{
	struct unix_transport *made = calloc(1, sizeof(*made));
	*transport = NULL;
	if (made == NULL) return -ENOMEM;
	int failed = set_path(&made->address, path);
	if (failed) {
		free(made);
		return failed;
	}
	made->socket = -1;
	made->transport = (struct cidecar_transport){
		.name = made->address.sun_path,
		.open = begin,
		.receive = receive,
		.send = transmit,
		.wants_room = wants_room,
		.why = why,
		.close = end,
		.free = release,
	};
	*transport = &made->transport;
	return 0;
}
