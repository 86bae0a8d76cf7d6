/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the sidecar for servers on ngtcp2 (0.12, 1.x): library cidecar-ngtcp2.
 *
 * ngtcp2 has no retire_prior_to in its public interface, so a server cannot move a connection to
 * another CID. When CIDs have to be replaced, it closes the connections that hold them, spread over
 * the time to the deadline, those first that have been idle longest. A connection that is closed
 * comes back with a new CID; one that is cut waits for a timeout. How many connections are left is
 * reported to the sidecar, so that a rotation waits for them.
 *
 * For servers in one thread; the client must not have a thread of its own.
 */
#ifndef CIDECAR_NGTCP2_H
#define CIDECAR_NGTCP2_H

#include <ngtcp2/ngtcp2.h>

#include "cidecar/cidecar.h"

#if NGTCP2_VERSION_NUM < 0x000c00
#error "cidecar needs ngtcp2 0.12 or later"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* CIDs of a connection that are told apart: the 8 of ngtcp2, and those that its peer has retired
 * and may still use for a moment. */
#define CIDECAR_NGTCP2_CIDS 16

typedef struct cidecar_ngtcp2 cidecar_ngtcp2;

/* The CIDs of one connection: a part of what the server keeps of it, zeroed at first. Its fields
 * belong to the adapter. */
struct cidecar_ngtcp2_cids {
	cidecar_ngtcp2 *server;
	struct cidecar_ngtcp2_cids *previous;
	struct cidecar_ngtcp2_cids *next;
	void *connection;
	int64_t active_at;
	uint64_t oldest; /* generation; UINT64_MAX where no CID is routable */
	size_t place;    /* in the order of the present reissue */
	size_t count;
	/* CIDs for which there was no room below, and the oldest generation of these. */
	size_t more;
	uint64_t oldest_of_more;
	struct cidecar_ngtcp2_cid {
		uint64_t generation; /* UINT64_MAX where the CID is not routable */
		uint8_t length;
		uint8_t cid[CIDECAR_MAX_CID];
	} cids[CIDECAR_NGTCP2_CIDS];
};

struct cidecar_ngtcp2_options {
	/* `held`, `user` and `cannot_retire` of these are the adapter's. */
	struct cidecar_options client;
	/* Called in cidecar_ngtcp2_service() for a connection that is to be closed with the
	 * application's code for no error. It may call cidecar_ngtcp2_end(), for this connection
	 * only. */
	void (*close)(void *user, void *connection);
	/* Called for each event of the client; may be NULL. Orders to reissue are obeyed without.
	 */
	void (*event)(void *user, const struct cidecar_event *event);
	void *user;
};

/* As cidecar_connect(). */
int cidecar_ngtcp2_connect(cidecar_ngtcp2 **server, const struct cidecar_ngtcp2_options *options);

/* Frees the client too; no connection may be left. NULL is allowed. */
void cidecar_ngtcp2_close(cidecar_ngtcp2 *server);

/* The client, for cidecar_fd(), cidecar_wait_ready() and questions. */
cidecar_client *cidecar_ngtcp2_client(cidecar_ngtcp2 *server);

/* In place of cidecar_service() and cidecar_next_event(), when cidecar_fd() is readable. */
void cidecar_ngtcp2_service(cidecar_ngtcp2 *server);

/*
 * For a connection that is accepted, before ngtcp2_conn_server_new(): its first CID, and what the
 * transport parameters say of it (the reset token, and disable_active_migration where balancers
 * cannot route the CID). Returns 0, or -EAGAIN before the client was ever ready.
 */
int cidecar_ngtcp2_accept(cidecar_ngtcp2 *server, struct cidecar_ngtcp2_cids *cids,
	void *connection, ngtcp2_cid *scid, ngtcp2_transport_params *params);

/*
 * For the callback get_new_connection_id (with get_new_connection_id2 of later releases, `token` is
 * its data). Returns 0, or NGTCP2_ERR_CALLBACK_FAILURE where ngtcp2 wants another length.
 *
 * The callback cannot refuse, so while the pool is dry a connection gets further 0b111 CIDs. They
 * are routed by the 4-tuple.
 */
int cidecar_ngtcp2_new_cid(
	struct cidecar_ngtcp2_cids *cids, ngtcp2_cid *cid, uint8_t *token, size_t length);

/* For the callback remove_connection_id. A server that sends stateless resets goes on taking
 * packets with the CID for those of this connection: one that was long on its way would be answered
 * with a reset, which ends a connection that is alive. */
void cidecar_ngtcp2_retired(struct cidecar_ngtcp2_cids *cids, const ngtcp2_cid *cid);

/* The peer sent something other than a sign of life: the connection is not idle. */
void cidecar_ngtcp2_active(struct cidecar_ngtcp2_cids *cids);

/* The connection was closed, or is gone. May be called more than once. */
void cidecar_ngtcp2_end(struct cidecar_ngtcp2_cids *cids);

#ifdef __cplusplus
}
#endif

#endif
