/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on a connection, by the frames that a sidecar sends. */
#include "../src/call.h"

#include "test.h"

#define SESSION 1
#define LEASE 3
#define DATA 0
#define HEADERS 1
#define RST_STREAM 3
#define SETTINGS 4
#define END_STREAM 1
#define END_HEADERS 4

static struct cdc_session session;
static struct cdc_call *call;

/* What the client sends is taken from it. */
static size_t drain(void)
{
	const uint8_t *out;
	size_t all = 0;
	for (size_t length; (length = cdc_call_send(call, &out)) > 0;) all += length;
	return all;
}

static enum cdc_call_state frame(
	uint8_t type, uint8_t flags, uint8_t stream, const void *octets, size_t length)
{
	const uint8_t header[9] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,
		type, flags, 0, 0, 0, stream};
	cdc_call_receive(call, header, sizeof(header));
	enum cdc_call_state state = cdc_call_receive(call, octets, length);
	drain();
	return state;
}

/* A message of gRPC. */
static enum cdc_call_state message(
	uint8_t stream, bool compressed, const void *octets, uint8_t length)
{
	uint8_t whole[260] = {compressed, 0, 0, 0, length};
	if (length > 0) memcpy(whole + 5, octets, length);
	return frame(DATA, 0, stream, whole, 5U + length);
}

static void answer(uint8_t stream)
{
	const uint8_t status_200 = 0x88;
	frame(HEADERS, END_HEADERS, stream, &status_200, 1);
}

static enum cdc_call_state trailers(uint8_t stream, char grpc_status)
{
	uint8_t block[] = "\0\x0bgrpc-status\1?";
	block[14] = (uint8_t)grpc_status;
	return frame(HEADERS, END_HEADERS | END_STREAM, stream, block, 15);
}

static void begin(void)
{
	struct cidecar_options options = {.socket = "s", .high_water = 100};
	CHECK(cdc_session_init(&session, &options) == 0);
	call = cdc_call_begin(&session);
	CHECK(call != NULL && drain() > 0);
	frame(SETTINGS, 0, 0, NULL, 0);
	answer(SESSION);
}

static void end(void)
{
	cdc_call_free(call);
	cdc_session_free(&session);
}

static const uint8_t HELLO[] = {10, 8, 8, 8, 18, 4, 16, 5, 40, 1};

/* The event of this kind that was told last; its message is empty where there was none. */
static struct cidecar_event told(enum cidecar_event_type type)
{
	struct cidecar_event event;
	struct cidecar_event last = {0};
	while (cdc_events_next(&session.events, &event)) {
		if (event.type == type) last = event;
	}
	return last;
}

/* What cannot be used is given up, which means the longest pause. */
static void test_given_up(void)
{
	const uint8_t too_long[] = {0, 0xff, 0, 0, 0};
	begin();
	CHECK(message(SESSION, false, HELLO, sizeof(HELLO)) == CDC_CALL_OPEN);
	CHECK(message(SESSION, true, "x", 1) == CDC_CALL_GIVEN_UP);
	CHECK(strstr(told(CIDECAR_TROUBLE).message, "compressed") != NULL);
	end();

	begin();
	CHECK(frame(DATA, 0, SESSION, too_long, sizeof(too_long)) == CDC_CALL_GIVEN_UP);
	CHECK(strstr(told(CIDECAR_TROUBLE).message, "too long") != NULL);
	end();

	begin();
	CHECK(message(SESSION, false, "x", 1) == CDC_CALL_GIVEN_UP);
	end();

	/* An end is none of that. */
	begin();
	CHECK(trailers(SESSION, '0') == CDC_CALL_ENDED);
	end();
}

/* A lease for which the client has asked. */
static void ask(void)
{
	begin();
	CHECK(message(SESSION, false, HELLO, sizeof(HELLO)) == CDC_CALL_OPEN);
	CHECK(cdc_session_lease(&session, 2) == 0);
	cdc_call_resume(call);
	CHECK(drain() > 0 && cdc_session_awaits_lease(&session));
}

static uint8_t write_lease(uint8_t octets[200])
{
	struct cdc_writer writer = {.at = octets, .room = 200};
	struct cdc_octets key = {(const uint8_t *)"0123456789abcdef", 16};
	cdc_write_varint(&writer, 1, 5);
	cdc_write_bytes(&writer, 2, (struct cdc_octets){(const uint8_t *)"quic-lb", 7});
	cdc_write_varint(&writer, 4, 8);
	cdc_write_varint(&writer, 5, 4);
	cdc_write_bytes(&writer, 8, (struct cdc_octets){(const uint8_t *)"abc", 3});
	cdc_write_bytes(&writer, 9, key);
	cdc_write_bytes(&writer, 10, (struct cdc_octets){(const uint8_t *)"\0\0\0\1", 4});
	cdc_write_varint(&writer, 11, 2);
	cdc_write_bytes(&writer, 13, key);
	cdc_write_bytes(&writer, 14, (struct cdc_octets){(const uint8_t *)"cmac", 4});
	return (uint8_t)writer.length;
}

static void test_lease(void)
{
	uint8_t lease[200];
	uint8_t length = write_lease(lease);
	struct cidecar_cid cid;
	ask();
	answer(LEASE);
	message(LEASE, false, lease, length);
	CHECK(cdc_session_mint(&session, &cid) != 0);
	CHECK(trailers(LEASE, '0') == CDC_CALL_OPEN);
	CHECK(told(CIDECAR_LEASED).type == CIDECAR_LEASED);
	CHECK(cdc_session_mint(&session, &cid) == 0 && cid.length == 8);
	end();

	/* A status, though there was a lease. */
	ask();
	answer(LEASE);
	message(LEASE, false, lease, length);
	CHECK(trailers(LEASE, '7') == CDC_CALL_OPEN);
	CHECK(strstr(told(CIDECAR_NO_LEASE).message, "LeaseNonces") != NULL);
	CHECK(cdc_session_mint(&session, &cid) != 0);
	end();

	/* The stream is reset, after the lease came. */
	ask();
	answer(LEASE);
	message(LEASE, false, lease, length);
	CHECK(frame(RST_STREAM, 0, LEASE, "\0\0\0\2", 4) == CDC_CALL_OPEN);
	CHECK(strstr(told(CIDECAR_NO_LEASE).message, "reset the call") != NULL);
	CHECK(cdc_session_mint(&session, &cid) != 0);
	end();

	/* No message, two, a compressed one, one that is too long. */
	ask();
	answer(LEASE);
	trailers(LEASE, '0');
	CHECK(strstr(told(CIDECAR_NO_LEASE).message, "without a lease") != NULL);
	end();
	const uint8_t too_long[] = {0, 0, 0, 0x10, 1};
	for (int i = 0; i < 3; i++) {
		ask();
		answer(LEASE);
		if (i == 0) message(LEASE, false, lease, length);
		if (i < 2) message(LEASE, i == 1, lease, length);
		if (i == 2) frame(DATA, 0, LEASE, too_long, sizeof(too_long));
		CHECK(strstr(told(CIDECAR_NO_LEASE).message, "cannot be read") != NULL);
		CHECK(trailers(LEASE, '0') == CDC_CALL_OPEN);
		CHECK(cdc_session_mint(&session, &cid) != 0);
		end();
	}
}

void test_call(void)
{
	test_given_up();
	test_lease();
}
