/* SPDX-License-Identifier: Apache-2.0 */
/* How a call ended, as its headers and trailers say. */
#ifndef CDC_GRPC_STATUS_H
#define CDC_GRPC_STATUS_H

#include "protobuf.h"

#define CDC_STATUS_UNIMPLEMENTED 12

struct cdc_grpc_status {
	int http; /* 0: no answer came */
	int code; /* -1: it was not said */
	char message[200];
	char reason[48]; /* a code of the sidecar's catalogue of errors; empty where it has none */
};

void cdc_grpc_status_init(struct cdc_grpc_status *status);

/* Takes a header or trailer; those that say nothing of the end are ignored. */
void cdc_grpc_status_header(
	struct cdc_grpc_status *status, struct cdc_octets name, struct cdc_octets value);

/* Why the call of this method ended, for people. Returns false where it ended in good order. */
bool cdc_grpc_status_text(
	const struct cdc_grpc_status *status, const char *method, char *text, size_t room);

#endif
