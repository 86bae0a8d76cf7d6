/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a Session, as proto/cidecar/v1/sidecar.proto has them. */
#ifndef CDC_MESSAGES_H
#define CDC_MESSAGES_H

#include "cidecar/cidecar.h"
#include "protobuf.h"

struct cdc_minting {
	uint64_t number;
	uint64_t generation;
	bool makes_void;
	bool routable;
	bool zero_host_id;
};

struct cdc_hello {
	uint32_t cid_length;
	bool has_minting;
	struct cdc_minting minting;
	uint32_t lifetime_ms;
	uint32_t credit_limit;
	uint32_t question_limit;
};

struct cdc_batch {
	struct cdc_octets cids;
	struct cdc_octets tokens;
	uint32_t count;
	uint32_t cid_length;
	uint64_t generation;
	bool routable;
};

struct cdc_reissue {
	uint64_t through_generation;
	bool has_deadline;
	int64_t deadline_seconds; /* since 1970 */
	int32_t deadline_nanos;
};

struct cdc_answer {
	uint64_t number;
	enum { CDC_NO_RESULT, CDC_TOKEN_RESULT, CDC_OWN_RESULT, CDC_REFUSAL_RESULT } result;
	struct cdc_octets token;
	bool own;
	struct cdc_octets code;
};

/* What the sidecar says. Octets are views of the message that was read. */
struct cdc_response {
	enum {
		CDC_UNKNOWN, /* of a later release */
		CDC_HELLO,
		CDC_BATCH,
		CDC_MINTING,
		CDC_REISSUE,
		CDC_ALIVE,
		CDC_ANSWER,
	} event;
	union {
		struct cdc_hello hello;
		struct cdc_batch batch;
		struct cdc_minting minting;
		struct cdc_reissue reissue;
		struct cdc_answer answer;
	} of;
};

/* False where the octets are no message. */
bool cdc_read_response(struct cdc_octets message, struct cdc_response *response);

enum cdc_about { CDC_ABOUT_TOKEN, CDC_ABOUT_OWN };

struct cdc_open {
	const char *client_name;
	uint8_t instance[16];
	struct cdc_octets server_use; /* none where the length is 0 */
	uint64_t known_generation;
	uint64_t oldest_generation;
	bool can_retire;
};

/* The parts of a SessionRequest, each written once, in the order of the fields. */
void cdc_write_open(struct cdc_writer *writer, const struct cdc_open *open);
void cdc_write_credit(struct cdc_writer *writer, uint32_t credit);
void cdc_write_held(struct cdc_writer *writer, const struct cidecar_held *held, size_t count);
void cdc_write_acknowledged(struct cdc_writer *writer, uint64_t number);
void cdc_write_question(
	struct cdc_writer *writer, uint64_t number, enum cdc_about about, struct cdc_octets cid);

#endif
