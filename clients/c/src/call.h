/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gRPC calls on one HTTP/2 connection, as octets that come and go: one of Session, with which
 * the connection ends, and one of LeaseNonces where it is wanted. It knows nothing of sockets.
 */
#ifndef CDC_CALL_H
#define CDC_CALL_H

#include "grpc_stream.h"
#include "session.h"

/* The window of the stream and of the connection, which millions of CIDs a second take. */
#define CDC_WINDOW (1 << 20)

struct cdc_call;

enum cdc_call_state {
	CDC_CALL_OPEN,
	/* The sidecar ended the stream, or the connection is of no use. */
	CDC_CALL_ENDED,
	/* What the sidecar sent cannot be used; the session has said so. */
	CDC_CALL_GIVEN_UP,
};

/* Begins the call for a session; NULL where there is no memory. */
struct cdc_call *cdc_call_begin(struct cdc_session *session);
void cdc_call_free(struct cdc_call *call);

/* Octets came from the sidecar. */
enum cdc_call_state cdc_call_receive(struct cdc_call *call, const uint8_t *octets, size_t length);

/* Octets for the sidecar, good until the next call; 0 where there are none. */
size_t cdc_call_send(struct cdc_call *call, const uint8_t **octets);

/* The session has something to say. */
void cdc_call_resume(struct cdc_call *call);

/* Ends our half, and says goodbye. */
void cdc_call_end(struct cdc_call *call);

/* Whether a message came. */
bool cdc_call_heard(const struct cdc_call *call);

/* Why it ended, for people; false where it ended in good order. */
bool cdc_call_why(const struct cdc_call *call, char *text, size_t room);

#endif
