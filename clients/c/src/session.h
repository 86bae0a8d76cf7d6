/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client knows and decides: the pool, and what is said and heard on a Session. It knows
 * nothing of sockets and HTTP/2, and reads the clocks that it is given.
 */
#ifndef CDC_SESSION_H
#define CDC_SESSION_H

#include "clock.h"
#include "events.h"
#include "failover.h"
#include "leases.h"
#include "messages.h"
#include "orders.h"
#include "pool.h"
#include "questions.h"

#define CDC_MAX_CREDIT 65536
#define CDC_MAX_SERVER_USE 14
#define CDC_MAX_NAME 64
/* How often the server is asked which CIDs its connections hold. */
#define CDC_HELD_EVERY CDC_SECOND
/* Room for the longest message that a client sends. */
#define CDC_MAX_REQUEST 8192

struct cdc_session {
	/* Fixed at the start. */
	uint32_t low_water;
	uint32_t high_water;
	char client_name[CDC_MAX_NAME + 1];
	uint8_t instance[16];
	uint8_t server_use[CDC_MAX_SERVER_USE];
	size_t server_use_length;
	bool can_retire;
	size_t (*held)(void *user, struct cidecar_held held[CIDECAR_MAX_HELD]);
	void *user;
	int64_t (*now)(void);
	int64_t (*coarse)(void);

	/* The supply. */
	struct cdc_pool pool;
	struct cdc_failover *failover; /* of the present form; NULL while the length is unknown */
	uint8_t cid_length;            /* 0 while it is unknown */
	uint64_t generation;           /* as the sidecar counts */
	/* What is added to that for the server, so that its generations always grow: as many as
	 * there were before the sidecar lost its state and began to count anew. */
	uint64_t base;
	uint32_t outstanding; /* CIDs that were asked for on the present Session */
	uint32_t most;        /* that may be asked for */
	bool dry;
	uint64_t taken;
	uint64_t made;
	struct cdc_orders orders;
	struct cdc_leases leases;
	uint64_t minted;

	/* How long the supply may be used. */
	int64_t lifetime; /* nanoseconds; 0 where the sidecar does not say */
	int64_t heard_at;
	int64_t coarse_seen; /* by this clock, when the other one was last read */
	bool heard;
	bool stale;

	/* The present Session. */
	bool connected;
	uint64_t minting_number;
	unsigned most_questions;
	uint64_t sessions;
	struct {
		bool open;
		uint32_t credit;
		uint64_t acknowledged;
		bool held;
	} to_say;
	struct cidecar_held said[CIDECAR_MAX_HELD];
	size_t said_count;
	int64_t held_at; /* when it was looked at last */

	struct cdc_questions questions;
	struct cdc_events events;
	/* Why there is no connection. */
	char reason[CIDECAR_TEXT];
	int error;
};

/* Checks and copies the options. Returns 0, -EINVAL, -ENOMEM or -EIO (no random octets). */
int cdc_session_init(struct cdc_session *session, const struct cidecar_options *options);
void cdc_session_free(struct cdc_session *session);

/* The present generation, as the server knows it. */
uint64_t cdc_session_generation(const struct cdc_session *session);

/* A stream was opened. */
void cdc_session_begin(struct cdc_session *session);

/* A message came. Returns false where the Session is to be given up; an event says why. */
bool cdc_session_receive(struct cdc_session *session, struct cdc_octets message);

/* Tells what makes the Session useless. Returns false. */
bool cdc_session_give_up(struct cdc_session *session, const char *message);

/* Whether there is something to send. */
bool cdc_session_wants_to_say(const struct cdc_session *session);

/* Writes what is to be sent, as one message; 0 where there is nothing. */
size_t cdc_session_say(struct cdc_session *session, uint8_t message[CDC_MAX_REQUEST]);

/* The stream is lost. `reason` may be NULL where there is nothing to add. */
void cdc_session_lost(struct cdc_session *session, const char *reason, int error);

/* Does what its time has come for; returns when there is more. */
int64_t cdc_session_tick(struct cdc_session *session);

/* In supply.c. */
int cdc_session_take(struct cdc_session *session, struct cidecar_cid *cid);
void cdc_session_ask(struct cdc_session *session);
void cdc_session_heard(struct cdc_session *session);
/* Looks whether the lifetime has passed. */
bool cdc_session_is_stale(struct cdc_session *session);
/* The same, for each CID. */
bool cdc_session_is_stale_now(struct cdc_session *session);
/* CIDs came, or are good again. */
void cdc_session_have_cids(struct cdc_session *session);
/* Passes an order on if there are CIDs for it. */
void cdc_session_give_reissue(struct cdc_session *session);

/* In mint.c. */
int cdc_session_lease(struct cdc_session *session, uint32_t count);
/* Whether an answer to LeaseNonces is of use. */
bool cdc_session_awaits_lease(const struct cdc_session *session);
/* Writes the LeaseNoncesRequest that is to be sent; 0 where there is none. */
size_t cdc_session_say_lease(struct cdc_session *session, uint8_t message[CDC_LEASE_REQUEST]);
/* What became of it. */
void cdc_session_leased(struct cdc_session *session, struct cdc_octets message);
void cdc_session_no_lease(struct cdc_session *session, const char *why);
int cdc_session_mint(struct cdc_session *session, struct cidecar_cid *cid);

#endif
