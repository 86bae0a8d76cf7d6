/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP with mutual TLS, for a server whose sidecar is on another host: library cidecar-openssl, on
 * OpenSSL 3. The sidecar listens with --listen and the TLS options beside it.
 */
#ifndef CIDECAR_OPENSSL_H
#define CIDECAR_OPENSSL_H

#include "cidecar/cidecar.h"
#include "cidecar/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cidecar_openssl_options {
	/* Address and port of the sidecar, such as "10.0.0.7:8443" or "[2001:db8::7]:8443". No name
	 * of a host: to look one up would hold up the loop of the server. */
	const char *address;
	/* The name for which the sidecar's certificate has to be; the address where it is NULL. */
	const char *name;
	/* PEM files: the authorities that the client trusts, its certificate with those that signed
	 * it, and its key. They are read for each connection, so a renewed one counts from the next
	 * on. */
	const char *authorities;
	const char *certificate;
	const char *private_key;
};

/* Makes a transport for cidecar_options.transport. The options are copied. Returns 0, -EINVAL for
 * options that are missing or an address that is none, or -ENOMEM. Files that cannot be used are
 * told by CIDECAR_TROUBLE, and tried again. */
int cidecar_openssl_transport(
	struct cidecar_transport **transport, const struct cidecar_openssl_options *options);

#ifdef __cplusplus
}
#endif

#endif
