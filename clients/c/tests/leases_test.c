/* SPDX-License-Identifier: Apache-2.0 */
/* When a session mints, and when its leases are void. */
#include <errno.h>

#include "../src/session.h"
#include "test.h"

static struct cdc_session session;
static int64_t now;
/* Of the leases. */
static uint8_t nonce_length = 4;

static int64_t read_now(void)
{
	return now;
}

static struct cdc_octets written(const struct cdc_writer *writer)
{
	return (struct cdc_octets){writer->at, writer->length};
}

/* A hello of a new Session. */
static void greet(uint64_t generation)
{
	uint8_t octets[3][64];
	struct cdc_writer minting = {.at = octets[0], .room = 64};
	struct cdc_writer hello = {.at = octets[1], .room = 64};
	struct cdc_writer whole = {.at = octets[2], .room = 64};
	cdc_write_varint(&minting, 1, 1);
	cdc_write_varint(&minting, 2, generation);
	cdc_write_varint(&minting, 5, 1);
	cdc_write_varint(&hello, 1, 8);
	cdc_write_bytes(&hello, 2, written(&minting));
	cdc_write_varint(&hello, 3, 60000);
	cdc_write_bytes(&whole, 1, written(&hello));
	cdc_session_lost(&session, NULL, 0);
	cdc_session_begin(&session);
	CHECK(cdc_session_receive(&session, written(&whole)));
}

/* What the client was told last of leases. */
static enum cidecar_event_type told(void)
{
	struct cidecar_event event;
	enum cidecar_event_type last = 0;
	while (cdc_events_next(&session.events, &event)) {
		if (event.type == CIDECAR_NO_LEASE) CHECK(event.message[0] != '\0');
		if (event.type == CIDECAR_NO_LEASE || event.type == CIDECAR_LEASED) {
			last = event.type;
		}
	}
	return last;
}

static enum cidecar_event_type lease(uint64_t generation, uint32_t count)
{
	uint8_t request[CDC_LEASE_REQUEST];
	uint8_t octets[256];
	struct cdc_writer writer = {.at = octets, .room = sizeof(octets)};
	struct cdc_octets key = {(const uint8_t *)"0123456789abcdef", 16};
	CHECK(cdc_session_lease(&session, count) == 0);
	CHECK(cdc_session_lease(&session, count) == -EBUSY);
	CHECK(cdc_session_say_lease(&session, request) > 0);
	CHECK(cdc_session_say_lease(&session, request) == 0);
	CHECK(cdc_session_lease(&session, count) == -EBUSY);
	cdc_write_varint(&writer, 1, generation);
	cdc_write_bytes(&writer, 2, (struct cdc_octets){(const uint8_t *)"quic-lb", 7});
	cdc_write_varint(&writer, 4, 4U + nonce_length);
	cdc_write_varint(&writer, 5, nonce_length);
	cdc_write_bytes(&writer, 8, (struct cdc_octets){(const uint8_t *)"abc", 3});
	cdc_write_bytes(&writer, 9, key);
	cdc_write_bytes(
		&writer, 10, (struct cdc_octets){(const uint8_t *)"\0\0\0\1\0", nonce_length});
	cdc_write_varint(&writer, 11, count);
	cdc_write_bytes(&writer, 13, key);
	cdc_write_bytes(&writer, 14, (struct cdc_octets){(const uint8_t *)"cmac", 4});
	cdc_session_leased(&session, written(&writer));
	return told();
}

static int mint(void)
{
	struct cidecar_cid cid;
	return cdc_session_mint(&session, &cid);
}

static unsigned mint_all(void)
{
	unsigned count = 0;
	while (mint() == 0) count++;
	return count;
}

void test_leases(void)
{
	struct cidecar_options options = {.socket = "s"};
	now = CDC_SECOND;
	CHECK(cdc_session_init(&session, &options) == 0);
	session.now = session.coarse = read_now;
	CHECK(cdc_session_lease(&session, 1) == -ENOTCONN && mint() == -ENODATA);
	greet(5);
	CHECK(cdc_session_lease(&session, 0) == -EINVAL);
	CHECK(cdc_session_lease(&session, (1 << 24) + 1) == -EINVAL);
	/* Two leases in hand, and no more. */
	CHECK(lease(5, 3) == CIDECAR_LEASED && lease(5, 2) == CIDECAR_LEASED);
	CHECK(cdc_session_lease(&session, 1) == -EBUSY);
	CHECK(mint_all() == 5 && mint() == -ENODATA && session.minted == 5);
	CHECK(cdc_orders_oldest(&session.orders) == 5);

	/* A rotation makes what is left void; a lease of a later generation waits for it. */
	CHECK(lease(5, 3) == CIDECAR_LEASED && lease(6, 2) == CIDECAR_LEASED);
	greet(6);
	CHECK(mint_all() == 2);
	CHECK(lease(5, 3) == CIDECAR_NO_LEASE && mint() == -ENODATA);
	CHECK(lease(7, 1) == CIDECAR_LEASED && mint() == -ENODATA);
	greet(7);
	CHECK(mint_all() == 1);

	/* Nothing is minted in a generation that the sidecar has not announced. */
	CHECK(lease(8, 1) == CIDECAR_LEASED && lease(7, 1) == CIDECAR_LEASED);
	CHECK(mint() == -ENODATA);
	greet(8);
	CHECK(mint_all() == 1);
	greet(7);

	/* CIDs of another length than the server has. */
	nonce_length = 5;
	CHECK(lease(7, 1) == CIDECAR_NO_LEASE && mint() == -ENODATA);
	nonce_length = 4;

	/* After a lost state a lease of before is void for good. */
	CHECK(lease(7, 3) == CIDECAR_LEASED && mint() == 0);
	greet(6);
	greet(7);
	CHECK(mint() == -ENODATA);

	/* Generations are the server's. */
	struct cidecar_cid cid;
	CHECK(session.base > 0 && lease(7, 1) == CIDECAR_LEASED);
	CHECK(cdc_session_mint(&session, &cid) == 0);
	CHECK(cid.generation == session.base + 7);

	/* While nothing is heard nothing is minted. */
	CHECK(lease(7, 3) == CIDECAR_LEASED);
	now += 61 * CDC_SECOND;
	CHECK(mint() == -ESTALE);
	greet(7);
	CHECK(mint_all() == 3);

	/* An answer that does not come. */
	CHECK(cdc_session_lease(&session, 1) == 0);
	uint8_t request[CDC_LEASE_REQUEST];
	CHECK(cdc_session_say_lease(&session, request) > 0);
	CHECK(cdc_session_tick(&session) <= now + 10 * CDC_SECOND);
	now += 10 * CDC_SECOND;
	CHECK(cdc_session_awaits_lease(&session));
	cdc_session_tick(&session);
	CHECK(told() == CIDECAR_NO_LEASE && !cdc_session_awaits_lease(&session));
	/* One that the connection was lost for. */
	CHECK(cdc_session_lease(&session, 1) == 0);
	greet(7);
	CHECK(told() == CIDECAR_NO_LEASE);

	CHECK(lease(7, 3) == CIDECAR_LEASED);
	cdc_session_free(&session);
	for (size_t i = 0; i < sizeof(session.leases.minters); i++) {
		CHECK(((const uint8_t *)session.leases.minters)[i] == 0);
	}
}
