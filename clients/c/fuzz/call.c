/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any octets from the sidecar's side of the connection. With an even first octet they are HTTP/2;
 * else they are what comes on the stream, in DATA frames of the lengths that the input says, and
 * the end of it is a block of trailers as plain text.
 */
#include <stdlib.h>
#include <string.h>

#include "../src/call.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

/* What the call wants to send is taken from it, so that it goes on. */
static void drain(struct cdc_call *call)
{
	const uint8_t *out;
	for (int i = 0; i < 100 && cdc_call_send(call, &out) > 0; i++) {
	}
}

static bool feed(struct cdc_call *call, const uint8_t *octets, size_t length)
{
	bool open = cdc_call_receive(call, octets, length) == CDC_CALL_OPEN;
	drain(call);
	return open;
}

static void frame(uint8_t *header, size_t length, uint8_t type, uint8_t flags, uint8_t stream)
{
	const uint8_t octets[9] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,
		type, flags, 0, 0, 0, stream};
	memcpy(header, octets, sizeof(octets));
}

static void feed_frames(struct cdc_call *call, const struct cdc_session *session,
	const uint8_t *octets, size_t length)
{
	uint8_t header[9];
	const uint8_t status_200 = 0x88;
	frame(header, 0, 4, 0, 0);
	if (!feed(call, header, 9)) return;
	frame(header, 1, 1, 4, 1);
	if (!feed(call, header, 9) || !feed(call, &status_200, 1)) return;
	while (length > 0) {
		size_t part = octets[0];
		octets++, length--;
		if (part > length) part = length;
		frame(header, part, 0, 0, 1);
		if (!feed(call, header, 9) || !feed(call, octets, part)) return;
		octets += part;
		length -= part;
		if (cdc_session_wants_to_say(session)) {
			cdc_call_resume(call);
			drain(call);
		}
	}
}

static void read_trailers(const uint8_t *octets, size_t length)
{
	static const char *const names[] = {
		":status", "grpc-status", "grpc-message", "grpc-status-details-bin"};
	struct cdc_grpc_status status;
	char text[320];
	cdc_grpc_status_init(&status);
	for (size_t i = 0; i < 4; i++) {
		struct cdc_octets name = {(const uint8_t *)names[i], strlen(names[i])};
		cdc_grpc_status_header(&status, name, (struct cdc_octets){octets, length});
		cdc_grpc_status_text(&status, "Session", text, sizeof(text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	static struct cdc_session session;
	struct cidecar_options options = {.high_water = 100};
	char why[320];
	if (length == 0 || cdc_session_init(&session, &options) != 0) return 0;
	struct cdc_call *call = cdc_call_begin(&session);
	if (call == NULL) abort();
	drain(call);
	if (octets[0] % 2 == 0)
		feed(call, octets + 1, length - 1);
	else
		feed_frames(call, &session, octets + 1, length - 1);
	read_trailers(octets, length);
	cdc_call_why(call, why, sizeof(why));
	cdc_call_end(call);
	drain(call);
	cdc_call_free(call);
	cdc_session_lost(&session, NULL, 0);
	cdc_session_free(&session);
	return 0;
}
