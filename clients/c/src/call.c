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

/* Octets beside the CIDs of a batch, and of the longest other message. */
#define SLACK 65536
/* Octets of the longest answer with a lease. */
#define MOST_LEASE 4096

struct cdc_call {
	struct cdc_session *session;
	nghttp2_session *http2;
	enum cdc_call_state state;
	bool heard;
	bool ending; /* our half is to be ended */
	char failure[128];
	struct cdc_grpc_stream stream;
	/* The message that goes out, with its prefix. */
	uint8_t out[CDC_PREFIX + CDC_MAX_REQUEST];
	size_t out_length;
	size_t out_sent;
	/* The call of LeaseNonces, where there is one. */
	struct cdc_grpc_stream lease;
	bool lease_came;
	uint8_t lease_out[CDC_PREFIX + CDC_LEASE_REQUEST];
	size_t lease_out_length;
};

static void fail(struct cdc_call *call, const char *why)
{
	if (call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	snprintf(call->failure, sizeof(call->failure), "%s", why);
}

/* What the sidecar sent cannot be used, so it is tried again after the longest pause. */
static void give_up(struct cdc_call *call, const char *why)
{
	cdc_session_give_up(call->session, why);
	call->state = CDC_CALL_GIVEN_UP;
}

static void next_message(struct cdc_call *call)
{
	size_t length = cdc_session_say(call->session, call->out + CDC_PREFIX);
	call->out_sent = 0;
	call->out_length = length == 0 ? 0 : CDC_PREFIX + length;
	cdc_write_prefix(call->out, length);
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

static void take_messages(struct cdc_call *call, struct cdc_octets octets)
{
	while (call->state == CDC_CALL_OPEN && octets.length > 0) {
		switch (cdc_grpc_stream_take(&call->stream, &octets, most_octets(call))) {
		case CDC_PART:
			break;
		case CDC_COMPRESSED:
			give_up(call, "Session: the sidecar sent a compressed message");
			break;
		case CDC_TOO_LONG:
			give_up(call, "Session: the sidecar sent a message that is too long");
			break;
		case CDC_NO_MEMORY:
			fail(call, "Session: there is no memory for a message");
			break;
		case CDC_WHOLE:
			call->heard = true;
			struct cdc_octets message = {call->stream.message, call->stream.length};
			if (!cdc_session_receive(call->session, message)) {
				call->state = CDC_CALL_GIVEN_UP;
			}
		}
	}
}

/* A second message, or one that cannot be read, makes the call one without an answer. */
static void take_lease(struct cdc_call *call, struct cdc_octets octets)
{
	while (octets.length > 0) {
		enum cdc_taken taken = cdc_grpc_stream_take(&call->lease, &octets, MOST_LEASE);
		if (taken == CDC_PART) return;
		if (taken != CDC_WHOLE || call->lease_came) {
			cdc_session_no_lease(call->session, "the sidecar's lease cannot be read");
			return;
		}
		call->lease_came = true;
	}
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t stream, const uint8_t *octets,
	size_t length, void *user)
{
	struct cdc_call *call = user;
	(void)http2, (void)flags;
	struct cdc_octets data = {octets, length};
	if (stream == call->stream.id) take_messages(call, data);
	if (stream == call->lease.id) take_lease(call, data);
	return 0;
}

static struct cdc_grpc_stream *find(struct cdc_call *call, int32_t id)
{
	if (id == call->stream.id) return &call->stream;
	return id != 0 && id == call->lease.id ? &call->lease : NULL;
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
	struct cdc_grpc_stream *stream = find(user, frame->hd.stream_id);
	(void)http2, (void)flags;
	if (stream == NULL) return 0;
	cdc_grpc_status_header(&stream->status, (struct cdc_octets){name, name_length},
		(struct cdc_octets){value, value_length});
	return 0;
}

/* The call of LeaseNonces is over. `why` is NULL where its status says so. */
static void end_lease(struct cdc_call *call, const char *why)
{
	char text[CIDECAR_TEXT];
	struct cdc_octets message = {call->lease.message, call->lease.length};
	if (why != NULL)
		cdc_session_no_lease(call->session, why);
	else if (cdc_grpc_status_text(&call->lease.status, "LeaseNonces", text, sizeof(text)))
		cdc_session_no_lease(call->session, text);
	else if (!call->lease_came)
		cdc_session_no_lease(call->session, "the sidecar answered without a lease");
	else
		cdc_session_leased(call->session, message);
	cdc_grpc_stream_end(&call->lease);
}

/* The stream has ended for us where the sidecar says so, though our half is open. */
static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *user)
{
	struct cdc_call *call = user;
	(void)http2;
	bool last = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
	if (!last || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
	struct cdc_grpc_stream *stream = find(call, frame->hd.stream_id);
	if (stream == &call->lease) end_lease(call, NULL);
	if (stream == &call->stream && call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	return 0;
}

static int on_close(nghttp2_session *http2, int32_t stream, uint32_t code, void *user)
{
	struct cdc_call *call = user;
	char why[sizeof(call->failure)];
	(void)http2;
	if (call->lease.id != 0 && stream == call->lease.id) {
		end_lease(call, "the sidecar reset the call of LeaseNonces");
	}
	if (stream != call->stream.id || call->state != CDC_CALL_OPEN) return 0;
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

/* Returns the stream of the call, or what is below 1 where there is none. */
static int32_t request(struct cdc_call *call, const char *path, const data_provider *provider)
{
	/* With a path of a socket as authority the sidecar resets the stream without a word. */
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", path),
		header(":authority", "localhost"),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", "cidecar-c/" CIDECAR_VERSION),
	};
	const size_t count = sizeof(headers) / sizeof(headers[0]);
	return submit_request(call->http2, NULL, headers, count, provider, NULL);
}

static bool submit(struct cdc_call *call)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CDC_WINDOW},
	};
	data_provider provider = {.read_callback = read_data};
	if (nghttp2_submit_settings(call->http2, NGHTTP2_FLAG_NONE, settings, 2) != 0) return false;
	if (nghttp2_session_set_local_window_size(call->http2, 0, 0, CDC_WINDOW) != 0) return false;
	int32_t id = request(call, "/cidecar.v1.SidecarService/Session", &provider);
	cdc_grpc_stream_begin(&call->stream, id);
	return id > 0;
}

static ssize read_lease_request(nghttp2_session *http2, int32_t stream, uint8_t *octets,
	size_t room, uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct cdc_call *call = user;
	(void)http2, (void)stream, (void)source;
	if (call->lease_out_length > room) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	memcpy(octets, call->lease_out, call->lease_out_length);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize)call->lease_out_length;
}

/* Begins the call of LeaseNonces that the session wants, or ends one for which it does not wait any
 * more. */
static void serve_lease(struct cdc_call *call)
{
	data_provider provider = {.read_callback = read_lease_request};
	if (call->lease.id != 0 && !cdc_session_awaits_lease(call->session)) {
		nghttp2_submit_rst_stream(
			call->http2, NGHTTP2_FLAG_NONE, call->lease.id, NGHTTP2_CANCEL);
		cdc_grpc_stream_end(&call->lease);
	}
	size_t length = cdc_session_say_lease(call->session, call->lease_out + CDC_PREFIX);
	if (length == 0) return;
	cdc_write_prefix(call->lease_out, length);
	call->lease_out_length = CDC_PREFIX + length;
	call->lease_came = false;
	int32_t id = request(call, "/cidecar.v1.SidecarService/LeaseNonces", &provider);
	if (id > 0)
		cdc_grpc_stream_begin(&call->lease, id);
	else
		cdc_session_no_lease(call->session, "there is no memory for a call");
}

struct cdc_call *cdc_call_begin(struct cdc_session *session)
{
	struct cdc_call *call = calloc(1, sizeof(*call));
	if (call == NULL) return NULL;
	call->session = session;
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
	cdc_grpc_stream_end(&call->stream);
	cdc_grpc_stream_end(&call->lease);
	free(call);
}

enum cdc_call_state cdc_call_receive(struct cdc_call *call, const uint8_t *octets, size_t length)
{
	ssize used = memory_receive(call->http2, octets, length);
	if (used < 0 && call->state == CDC_CALL_OPEN) give_up(call, nghttp2_strerror((int)used));
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
	nghttp2_session_resume_data(call->http2, call->stream.id);
	serve_lease(call);
}

void cdc_call_end(struct cdc_call *call)
{
	if (call->state == CDC_CALL_OPEN) call->state = CDC_CALL_ENDED;
	call->ending = true;
	nghttp2_session_resume_data(call->http2, call->stream.id);
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
	return cdc_grpc_status_text(&call->stream.status, "Session", text, room);
}
