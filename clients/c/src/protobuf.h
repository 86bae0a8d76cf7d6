/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format of protocol buffers, as far as the messages of the sidecar need it. */
#ifndef CDC_PROTOBUF_H
#define CDC_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cdc_octets {
	const uint8_t *at;
	size_t length;
};

/* One field of a message. */
struct cdc_field {
	uint32_t number;
	enum { CDC_VARINT = 0, CDC_FIXED64 = 1, CDC_BYTES = 2, CDC_FIXED32 = 5 } type;
	uint64_t value;           /* of the numeric types */
	struct cdc_octets octets; /* of CDC_BYTES; a view of the message */
};

struct cdc_reader {
	struct cdc_octets left;
	bool broken; /* what was read is no message */
};

struct cdc_reader cdc_read(struct cdc_octets message);

/* Reads the next field; false at the end, or where the message is broken. */
bool cdc_next_field(struct cdc_reader *reader, struct cdc_field *field);

/* Writes into a buffer of fixed size. What does not fit sets `full`, and nothing more is written.
 */
struct cdc_writer {
	uint8_t *at;
	size_t room;
	size_t length;
	bool full;
};

/* Fields of the value 0 are left out, as proto3 has it. */
void cdc_write_varint(struct cdc_writer *writer, uint32_t number, uint64_t value);
/* Written also where it is empty. */
void cdc_write_bytes(struct cdc_writer *writer, uint32_t number, struct cdc_octets octets);

#endif
