/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets that answer from the address to which a packet came. */
#ifndef ECHO_UDP_H
#define ECHO_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct udp_address {
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} of;
	socklen_t length;
};

/* Opens a socket for "ADDRESS:PORT" or "[ADDRESS]:PORT". Returns -1 and sets errno. */
int udp_open(const char *listen, struct udp_address *local);

/* Receives a packet. `local` is the address to which it came. Returns -1 where there is none. */
long udp_receive(int fd, const struct udp_address *bound, uint8_t *packet, size_t room,
	struct udp_address *local, struct udp_address *remote);

/* Sends a packet. One that the system does not take is lost, as in the network. */
void udp_send(int fd, const struct sockaddr *local, const struct sockaddr *remote,
	socklen_t remote_length, const uint8_t *packet, size_t length);

#endif
