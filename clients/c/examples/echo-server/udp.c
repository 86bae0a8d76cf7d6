/* SPDX-License-Identifier: Apache-2.0 */
#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_address(const char *listen, struct udp_address *address)
{
	char text[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(listen, ':');
	if (colon == NULL || (size_t)(colon - listen) >= sizeof(text)) return false;
	size_t length = (size_t)(colon - listen);
	memcpy(text, listen, length);
	text[length] = '\0';
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || port > 65535) return false;
	memset(address, 0, sizeof(*address));
	if (text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		address->of.ip6.sin6_family = AF_INET6;
		address->of.ip6.sin6_port = htons((uint16_t)port);
		address->length = sizeof(address->of.ip6);
		return inet_pton(AF_INET6, text + 1, &address->of.ip6.sin6_addr) == 1;
	}
	address->of.ip4.sin_family = AF_INET;
	address->of.ip4.sin_port = htons((uint16_t)port);
	address->length = sizeof(address->of.ip4);
	return inet_pton(AF_INET, text, &address->of.ip4.sin_addr) == 1;
}

int udp_open(const char *listen, struct udp_address *local)
{
	int on = 1;
	if (!read_address(listen, local)) {
		errno = EINVAL;
		return -1;
	}
	int family = local->of.any.sa_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	if (bind(fd, &local->of.any, local->length) == 0 &&
		getsockname(fd, &local->of.any, &local->length) == 0) {
		return fd;
	}
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Room for either family's packet info, aligned as the system wants it. */
union control {
	struct cmsghdr header;
	char octets[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

long udp_receive(int fd, const struct udp_address *bound, uint8_t *packet, size_t room,
	struct udp_address *local, struct udp_address *remote)
{
	union control control;
	struct iovec part = {packet, room};
	struct msghdr message = {
		.msg_name = &remote->of,
		.msg_namelen = sizeof(remote->of),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	long length = recvmsg(fd, &message, 0);
	if (length < 0 || message.msg_flags & MSG_TRUNC) return length < 0 ? -1 : 0;
	remote->length = message.msg_namelen;
	*local = *bound;
	struct cmsghdr *each = CMSG_FIRSTHDR(&message);
	for (; each != NULL; each = CMSG_NXTHDR(&message, each)) {
		if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(each), sizeof(info));
			local->of.ip4.sin_addr = info.ipi_addr;
		}
		if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(each), sizeof(info));
			local->of.ip6.sin6_addr = info.ipi6_addr;
		}
	}
	return length;
}

void udp_send(int fd, const struct sockaddr *local, const struct sockaddr *remote,
	socklen_t remote_length, const uint8_t *packet, size_t length)
{
	union control control;
	struct iovec part = {(uint8_t *)packet, length};
	struct msghdr message = {
		.msg_name = (struct sockaddr *)remote,
		.msg_namelen = remote_length,
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
	};
	memset(&control, 0, sizeof(control));
	if (local->sa_family == AF_INET) {
		struct in_pktinfo info = {0};
		info.ipi_spec_dst = ((const struct sockaddr_in *)(const void *)local)->sin_addr;
		control.header.cmsg_level = IPPROTO_IP;
		control.header.cmsg_type = IP_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(info));
		message.msg_controllen = CMSG_SPACE(sizeof(info));
		memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {0};
		info.ipi6_addr = ((const struct sockaddr_in6 *)(const void *)local)->sin6_addr;
		control.header.cmsg_level = IPPROTO_IPV6;
		control.header.cmsg_type = IPV6_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(info));
		message.msg_controllen = CMSG_SPACE(sizeof(info));
		memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
	}
	while (sendmsg(fd, &message, 0) < 0 && errno == EINTR) {
	}
}
