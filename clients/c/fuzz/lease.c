/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any octets as the answer to LeaseNonces. The first octet of the input says how many server-use
 * octets the process has, and in which generation the sidecar is; the second how long its CIDs are;
 * the rest is the answer, of which CIDs are minted.
 */
#include <stdlib.h>
#include <string.h>

#include "../src/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

#define MOST_MADE 40
#define WANTED 1000

static const uint8_t USE[CDC_MAX_SERVER_USE] = "server-use 01";

static void demand(bool condition)
{
	if (!condition) abort();
}

static int64_t stand_still(void)
{
	return CDC_SECOND;
}

static void greet(struct cdc_session *session, uint8_t cid_length, uint8_t generation)
{
	const uint8_t hello[] = {10, 8, 8, cid_length, 18, 4, 16, generation, 40, 1};
	demand(cdc_session_receive(session, (struct cdc_octets){hello, sizeof(hello)}));
}

/* Of its own, so that a read past the end is seen. */
static uint8_t *copy(const uint8_t *octets, size_t length)
{
	uint8_t *copied = malloc(length > 0 ? length : 1);
	demand(copied != NULL);
	if (length > 0) memcpy(copied, octets, length);
	return copied;
}

static void mint(struct cdc_session *session, size_t use)
{
	struct cidecar_cid cid;
	uint32_t left = cdc_leases_left(&session->leases, session->generation);
	for (unsigned made = 0; made < MOST_MADE && left > 0; made++, left--) {
		size_t server_id = session->leases.minters[0].server_id_length;
		/* Its version 3 begins with two bits that are set, and spare ones. */
		bool katran = session->leases.minters[0].katran;
		size_t nonce = session->leases.minters[0].nonce_length;
		demand(cdc_session_mint(session, &cid) == 0);
		demand(cid.length == session->cid_length && cid.routable);
		demand(katran || cid.cid[0] >> 5 != 7);
		demand(memcmp(cid.cid + 1 + server_id + nonce, USE, use) == 0);
		demand(cdc_leases_left(&session->leases, session->generation) == left - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	static struct cdc_session session;
	static const struct cdc_leases none;
	uint8_t request[CDC_LEASE_REQUEST];
	if (length < 2) return 0;
	struct cidecar_options options = {.high_water = 1, .server_use = USE};
	options.server_use_length = octets[0] % (CDC_MAX_SERVER_USE + 1);
	demand(cdc_session_init(&session, &options) == 0);
	session.now = session.coarse = stand_still;
	cdc_session_begin(&session);
	uint8_t cid_length = CDC_MIN_CID + octets[1] % (CIDECAR_MAX_CID - CDC_MIN_CID + 1);
	greet(&session, cid_length, octets[0] / 16);
	demand(cdc_session_lease(&session, WANTED) == 0);
	demand(cdc_session_say_lease(&session, request) > 0);
	uint8_t *message = copy(octets + 2, length - 2);
	cdc_session_leased(&session, (struct cdc_octets){message, length - 2});
	free(message);
	demand(!cdc_session_awaits_lease(&session));
	if (session.leases.count == 0) {
		demand(memcmp(session.leases.minters, none.minters, sizeof(none.minters)) == 0);
	}
	mint(&session, options.server_use_length);
	cdc_session_free(&session);
	demand(memcmp(session.leases.minters, none.minters, sizeof(none.minters)) == 0);
	return 0;
}
