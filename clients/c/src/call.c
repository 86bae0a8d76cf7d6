/* SPDX-License-Identifier: Apache-2.0 */
/* Long because the callbacks of libnghttp2 and what they share belong together. */
#include "call.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From 1.60 on, what returns ssize_t is deprecated in favour of the same with another type. */
#if NGHTTP2_VERSION_NUM >= 0x013c00
typedef nghttp2_ssize ssize;
typedef nghttp2_data_provider2 data_provider;
#define submit_request nghttp2_submit_request2
#define memory_receive nghttp2_session_mem_recv2
#define memory_send nghttp2_session_mem_send2
#else
typedef ssize_t ssize;
typedef nghttp2_data_provider data_provider;
#define submit_request nghttp2_submit_request
#define memory_receive nghttp2_session_mem_recv
#define memory_send nghttp2_session_mem_send
#endif

/* A flag and a length go before each message of gRPC. */
#define PREFIX 5
/* Octets beside the CIDs of a batch, and of the longest other message. */
#define SLACK 65536

struct cdc_call {
	struct cdc_session *session;
	nghttp2_session *http2;
	int32_t stream;
	enum cdc_call_state state;
	bool heard;
	bool ending; /* our half is to be ended */
	struct cdc_grpc_status status;
	char failure[128];
	/* The message that comes in, with its prefix. */
	uint8_t prefix[PREFIX];
	uint8_t *message;
	size_t room;
	size_t length; /* of the message, by its prefix */
	size_t have;   /* octets of prefix and message that came */
	/* The message that goes out, with its prefix. */
	uint8_t out[PREFIX + CDC_MAX_REQUEST];
	size_t out_length;
	size_t out_sent;
};

static void fail(struct cdc_call *call, const char *why)
{
	if (call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	snprintf(call->failure, sizeof(call->failure), "%s", why);
}

static void put_length(uint8_t *at, size_t length)
{
	for (int i = 3; i >= 0; i--, length >>= 8) at[i] = (uint8_t)length;
}

static void next_message(struct cdc_call *call)
{
	size_t length = cdc_session_say(call->session, call->out + PREFIX);
	call->out_sent = 0;
	call->out_length = length == 0 ? 0 : PREFIX + length;
	call->out[0] = 0;
	put_length(call->out + 1, length);
}

static ssize read_data(nghttp2_session *http2, int32_t stream, uint8_t *octets, size_t room,
	uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct cdc_call *call = user;
	(void)http2, (void)stream, (void)source;
	if (call->out_sent == call->out_length && !call->ending) next_message(call);
	size_t length = call->out_length - call->out_sent;
	if (length > room) length = room;
	memcpy(octets, call->out + call->out_sent, length);
	call->out_sent += length;
	if (call->ending && call->out_sent == call->out_length) *flags |= NGHTTP2_DATA_FLAG_EOF;
	return length == 0 && !call->ending ? NGHTTP2_ERR_DEFERRED : (ssize)length;
}

/* The most octets that a message may have: as many CIDs as were asked for, and something more. */
static size_t most_octets(const struct cdc_call *call)
{
	size_t each = CIDECAR_MAX_CID + CIDECAR_TOKEN;
	return SLACK + (size_t)call->session->outstanding * each;
}

static bool begin_message(struct cdc_call *call)
{
	call->length = 0;
	for (size_t i = 1; i < PREFIX; i++) call->length = call->length << 8 | call->prefix[i];
	if (call->prefix[0] != 0) {
		fail(call, "Session: the sidecar sent a compressed message");
	} else if (call->length > most_octets(call)) {
		fail(call, "Session: the sidecar sent a message that is too long");
	}
	return call->state == CDC_CALL_OPEN;
}

/* Memory for the octets that come, as they come: the length alone costs nothing. */
static bool make_room(struct cdc_call *call, size_t octets)
{
	if (octets <= call->room) return true;
	size_t room = 2 * octets < call->length ? 2 * octets : call->length;
	uint8_t *message = realloc(call->message, room);
	if (message == NULL) {
		fail(call, "Session: there is no memory for a message");
		return false;
	}
	call->message = message;
	call->room = room;
	return true;
}

static void end_message(struct cdc_call *call)
{
	struct cdc_octets message = {call->message, call->length};
	call->have = 0;
	call->heard = true;
	if (!cdc_session_receive(call->session, message)) call->state = CDC_CALL_GIVEN_UP;
	/* A long message was a batch of many CIDs, as at the start; most are not. */
	if (call->room <= SLACK) return;
	free(call->message);
	call->message = NULL;
	call->room = 0;
}

/* Messages cross the borders of DATA frames. */
static void take_data(struct cdc_call *call, const uint8_t *octets, size_t length)
{
	while (call->state == CDC_CALL_OPEN && length > 0) {
		if (call->have < PREFIX) {
			call->prefix[call->have] = *octets;
			call->have++, octets++, length--;
			if (call->have < PREFIX || !begin_message(call)) continue;
		} else {
			size_t at = call->have - PREFIX;
			size_t part = call->length - at < length ? call->length - at : length;
			if (!make_room(call, at + part)) return;
			memcpy(call->message + at, octets, part);
			call->have += part, octets += part, length -= part;
		}
		if (call->have == PREFIX + call->length) end_message(call);
	}
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t stream, const uint8_t *octets,
	size_t length, void *user)
{
	struct cdc_call *call = user;
	(void)http2, (void)flags;
	if (stream == call->stream) take_data(call, octets, length);
	return 0;
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
	struct cdc_call *call = user;
	(void)http2, (void)flags;
	if (frame->hd.stream_id != call->stream) return 0;
	cdc_grpc_status_header(&call->status, (struct cdc_octets){name, name_length},
		(struct cdc_octets){value, value_length});
	return 0;
}

/* The stream has ended for us where the sidecar says so, though our half is open. */
static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *user)
{
	struct cdc_call *call = user;
	(void)http2;
	bool last = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
	if (!last || frame->hd.stream_id != call->stream) return 0;
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
	if (call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	return 0;
}

static int on_close(nghttp2_session *http2, int32_t stream, uint32_t code, void *user)
{
	struct cdc_call *call = user;
	char why[sizeof(call->failure)];
	(void)http2;
	if (stream != call->stream || call->state != CDC_CALL_OPEN) return 0;
	snprintf(why, sizeof(why), "Session: the stream was reset (%s)",
		nghttp2_http2_strerror(code));
	fail(call, why);
	return 0;
}

static nghttp2_session *new_http2(struct cdc_call *call)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *http2 = NULL;
	if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	if (nghttp2_session_client_new(&http2, callbacks, call) != 0) http2 = NULL;
	nghttp2_session_callbacks_del(callbacks);
	return http2;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)name,
		.value = (uint8_t *)value,
		.namelen = strlen(name),
		.valuelen = strlen(value),
		.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
	};
}

static bool submit(struct cdc_call *call)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CDC_WINDOW},
	};
	/* With a path of a socket as authority the sidecar resets the stream without a word. */
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", "/cidecar.v1.SidecarService/Session"),
		header(":authority", "localhost"),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", "cidecar-c/" CIDECAR_VERSION),
	};
	const size_t count = sizeof(headers) / sizeof(headers[0]);
	data_provider provider = {.read_callback = read_data};
	if (nghttp2_submit_settings(call->http2, NGHTTP2_FLAG_NONE, settings, 2) != 0) return false;
	if (nghttp2_session_set_local_window_size(call->http2, 0, 0, CDC_WINDOW) != 0) return false;
	call->stream = submit_request(call->http2, NULL, headers, count, &provider, NULL);
	return call->stream > 0;
}

struct cdc_call *cdc_call_begin(struct cdc_session *session)
{
	struct cdc_call *call = calloc(1, sizeof(*call));
	if (call == NULL) return NULL;
	call->session = session;
	cdc_grpc_status_init(&call->status);
	call->http2 = new_http2(call);
	if (call->http2 == NULL || !submit(call)) {
		cdc_call_free(call);
		return NULL;
	}
	cdc_session_begin(session);
	return call;
}

void cdc_call_free(struct cdc_call *call)
{
	if (call == NULL) return;
	nghttp2_session_del(call->http2);
	free(call->message);
	free(call);
}

enum cdc_call_state cdc_call_receive(struct cdc_call *call, const uint8_t *octets, size_t length)
{
	ssize used = memory_receive(call->http2, octets, length);
	if (used < 0) fail(call, nghttp2_strerror((int)used));
	return call->state;
}

size_t cdc_call_send(struct cdc_call *call, const uint8_t **octets)
{
	ssize length = memory_send(call->http2, octets);
	if (length < 0) fail(call, nghttp2_strerror((int)length));
	return length > 0 ? (size_t)length : 0;
}

void cdc_call_resume(struct cdc_call *call)
{
	nghttp2_session_resume_data(call->http2, call->stream);
}

void cdc_call_end(struct cdc_call *call)
{
	if (call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	call->ending = true;
	cdc_call_resume(call);
	nghttp2_submit_goaway(call->http2, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
}

bool cdc_call_heard(const struct cdc_call *call)
{
	return call->heard;
}

bool cdc_call_why(const struct cdc_call *call, char *text, size_t room)
{
	if (call->failure[0] != '\0') {
		snprintf(text, room, "%s", call->failure);
		return true;
	}
	return cdc_grpc_status_text(&call->status, text, room);
}
