/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a session that mints CIDs itself. */
#include <errno.h>
#include <stdio.h>

#include "session.h"

/* As in the proto: the most nonces of one lease. */
#define MOST_NONCES (1U << 24)
/* For so long an answer is waited for. */
#define ANSWER_WITHIN (10 * CDC_SECOND)

int cdc_session_lease(struct cdc_session *session, uint32_t count)
{
	struct cdc_leases *leases = &session->leases;
	if (count < 1 || count > MOST_NONCES) return -EINVAL;
	if (!session->connected) return -ENOTCONN;
	if (leases->asked || leases->wanted > 0 || leases->count == CDC_LEASES) return -EBUSY;
	leases->wanted = count;
	return 0;
}

bool cdc_session_awaits_lease(const struct cdc_session *session)
{
	return session->leases.asked;
}

size_t cdc_session_say_lease(struct cdc_session *session, uint8_t message[CDC_LEASE_REQUEST])
{
	struct cdc_writer writer = {.at = message, .room = CDC_LEASE_REQUEST};
	struct cdc_leases *leases = &session->leases;
	if (leases->wanted == 0) return 0;
	cdc_write_varint(&writer, 1, leases->wanted);
	leases->wanted = 0;
	leases->asked = true;
	leases->given_up = session->now() + ANSWER_WITHIN;
	return writer.length;
}

void cdc_session_no_lease(struct cdc_session *session, const char *why)
{
	struct cdc_leases *leases = &session->leases;
	if (!leases->asked && leases->wanted == 0) return;
	leases->asked = false;
	leases->wanted = 0;
	cdc_event(&session->events, CIDECAR_NO_LEASE, why);
}

void cdc_session_leased(struct cdc_session *session, struct cdc_octets message)
{
	struct cdc_leases *leases = &session->leases;
	struct cdc_octets use = {session->server_use, session->server_use_length};
	if (!leases->asked || leases->count == CDC_LEASES) return;
	struct cdc_minter *minter = &leases->minters[leases->count];
	const char *lie = cdc_minter_read(minter, message, use);
	if (lie == NULL && minter->cid_length != session->cid_length) {
		lie = "a lease of CIDs of another length";
	}
	if (lie == NULL && minter->generation < session->generation) {
		lie = "the lease is of an earlier generation: ask again";
	}
	if (lie != NULL) {
		cdc_minter_forget(minter);
		cdc_session_no_lease(session, lie);
		return;
	}
	leases->asked = false;
	leases->count++;
	cdc_event(&session->events, CIDECAR_LEASED, NULL);
}

int cdc_session_mint(struct cdc_session *session, struct cidecar_cid *cid)
{
	struct cdc_leases *leases = &session->leases;
	if (cdc_session_is_stale_now(session)) return -ESTALE;
	if (cdc_leases_left(leases, session->generation) == 0) return -ENODATA;
	while (leases->minters[0].left == 0) cdc_leases_drop_first(leases);
	if (leases->minters[0].generation != session->generation) return -ENODATA;
	bool made = cdc_minter_make(&leases->minters[0], cid);
	if (leases->minters[0].left == 0) cdc_leases_drop_first(leases);
	if (!made) return -EIO;
	session->minted++;
	cid->generation = cdc_session_generation(session);
	cdc_orders_took(&session->orders, cid->generation);
	return 0;
}
