/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a session that gives CIDs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

static void fall_dry(struct cdc_session *session)
{
	if (session->dry) return;
	session->dry = true;
	cdc_event(&session->events, CIDECAR_DRY, NULL);
}

/* The CIDs stay in the pool: they are good again if it turns out that nothing has changed. */
bool cdc_session_is_stale(struct cdc_session *session)
{
	if (session->stale || session->lifetime == 0) return session->stale;
	int64_t silence = session->now() - session->heard_at;
	if (silence <= session->lifetime) return false;
	char message[sizeof(session->reason) + 80];
	snprintf(message, sizeof(message), "nothing was heard from the sidecar for %lld ms%s%s",
		(long long)(silence / CDC_MS), session->reason[0] == '\0' ? "" : ": ",
		session->reason);
	session->stale = true;
	cdc_event(&session->events, CIDECAR_STALE, message);
	fall_dry(session);
	return true;
}

/*
 * As cdc_session_is_stale(), for each CID: the clock that goes on while the machine sleeps costs
 * several times as much as all the rest, so it is read when the cheap one has moved. That one moves
 * every few milliseconds, and so within some of them after a sleep.
 */
bool cdc_session_is_stale_now(struct cdc_session *session)
{
	if (session->stale || session->lifetime == 0) return session->stale;
	int64_t coarse = session->coarse();
	if (coarse == session->coarse_seen) return false;
	session->coarse_seen = coarse;
	return cdc_session_is_stale(session);
}

void cdc_session_heard(struct cdc_session *session)
{
	bool was_stale = session->stale;
	session->heard_at = session->now();
	session->heard = true;
	session->stale = false;
	if (was_stale && session->pool.count > 0) cdc_session_have_cids(session);
	cdc_session_give_reissue(session);
}

static bool next_is_routable(const struct cdc_session *session)
{
	const struct cdc_pooled *next = cdc_pool_next(&session->pool);
	return next != NULL && next->routable;
}

void cdc_session_have_cids(struct cdc_session *session)
{
	if (!session->dry || !next_is_routable(session)) return;
	session->dry = false;
	cdc_event(&session->events, CIDECAR_RECOVERED, NULL);
}

/* A server that obeys at once must not replace void CIDs by CIDs that are void too, nor routable
 * ones by 0b111 CIDs. */
void cdc_session_give_reissue(struct cdc_session *session)
{
	struct cdc_order order;
	if (session->stale || !next_is_routable(session)) return;
	if (!cdc_orders_next(&session->orders, cdc_session_generation(session), &order)) return;
	struct cidecar_event *event = cdc_event(&session->events, CIDECAR_REISSUE, NULL);
	event->through_generation = order.through;
	event->deadline = order.deadline;
}

void cdc_session_ask(struct cdc_session *session)
{
	uint32_t have = session->pool.count + session->outstanding;
	if (!session->connected || have >= session->most) return;
	uint32_t credit = session->most - have;
	session->outstanding += credit;
	session->to_say.credit += credit;
}

static int take_failover(struct cdc_session *session, struct cidecar_cid *cid)
{
	fall_dry(session);
	session->made++;
	cid->generation = cdc_session_generation(session);
	if (cdc_failover_make(session->failover, cid)) {
		char message[128];
		snprintf(message, sizeof(message),
			"all 0b111 CIDs of %u octets were made; they begin again with the oldest",
			session->cid_length);
		cdc_event(&session->events, CIDECAR_TROUBLE, message);
	}
	return 0;
}

int cdc_session_take(struct cdc_session *session, struct cidecar_cid *cid)
{
	if (session->cid_length == 0) return -EAGAIN;
	if (cdc_session_is_stale_now(session)) return take_failover(session, cid);
	const struct cdc_pooled *next = cdc_pool_next(&session->pool);
	if (next != NULL) {
		memcpy(cid->cid, next->cid, sizeof(cid->cid));
		memcpy(cid->token, next->token, sizeof(cid->token));
		cid->length = session->cid_length;
		cid->routable = next->routable;
		cid->generation = cdc_session_generation(session);
		cdc_pool_shift(&session->pool);
		session->taken++;
		if (cid->routable) cdc_orders_took(&session->orders, cid->generation);
	}
	if (session->pool.count + session->outstanding < session->low_water) {
		cdc_session_ask(session);
	}
	return next != NULL ? 0 : take_failover(session, cid);
}
