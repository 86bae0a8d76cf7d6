/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_status.h"

#include <stdio.h>
#include <string.h>

/* Octets of the longest details that are read. */
#define MAX_DETAILS 1024

void cdc_grpc_status_init(struct cdc_grpc_status *status)
{
	*status = (struct cdc_grpc_status){.code = -1};
}

static int hex_digit(uint8_t octet)
{
	if (octet >= '0' && octet <= '9') return octet - '0';
	if (octet >= 'a' && octet <= 'f') return octet - 'a' + 10;
	if (octet >= 'A' && octet <= 'F') return octet - 'A' + 10;
	return -1;
}

/* The message is percent-encoded, or plain text of a library that does not encode it. */
static void read_message(struct cdc_octets value, char *message, size_t room)
{
	size_t length = 0;
	for (size_t i = 0; i < value.length && length + 1 < room; i++) {
		uint8_t octet = value.at[i];
		if (octet == '%' && i + 2 < value.length && hex_digit(value.at[i + 1]) >= 0 &&
			hex_digit(value.at[i + 2]) >= 0) {
			octet = (uint8_t)(hex_digit(value.at[i + 1]) << 4 |
					  hex_digit(value.at[i + 2]));
			i += 2;
		}
		/* A message is one line of a log. */
		message[length] = (char)(octet < ' ' || octet == 0x7f ? ' ' : octet);
		length++;
	}
	message[length] = '\0';
}

static int base64_digit(uint8_t octet)
{
	if (octet >= 'A' && octet <= 'Z') return octet - 'A';
	if (octet >= 'a' && octet <= 'z') return octet - 'a' + 26;
	if (octet >= '0' && octet <= '9') return octet - '0' + 52;
	if (octet == '+' || octet == '-') return 62;
	if (octet == '/' || octet == '_') return 63;
	return -1;
}

/* Padding may be there or not. Stops at what is no base64. */
static size_t read_base64(struct cdc_octets value, uint8_t *octets, size_t room)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t length = 0;
	for (size_t i = 0; i < value.length && length < room; i++) {
		int digit = base64_digit(value.at[i]);
		if (digit < 0) break;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8) continue;
		have -= 8;
		octets[length] = (uint8_t)(bits >> have);
		length++;
	}
	return length;
}

/* The octets of a field; none where it is not there. */
static struct cdc_octets field_of(struct cdc_octets message, uint32_t number)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	while (cdc_next_field(&reader, &field)) {
		if (field.number == number && (int)field.type == CDC_BYTES) return field.octets;
	}
	return (struct cdc_octets){0};
}

/* A google.rpc.Status, whose first detail is a google.protobuf.Any with a google.rpc.ErrorInfo. */
static void read_details(struct cdc_octets value, char *reason, size_t room)
{
	uint8_t octets[MAX_DETAILS];
	struct cdc_octets status = {octets, read_base64(value, octets, sizeof(octets))};
	struct cdc_octets info = field_of(field_of(status, 3), 2);
	struct cdc_octets code = field_of(info, 1);
	if (code.length == 0 || code.length >= room) return;
	for (size_t i = 0; i < code.length; i++) {
		bool word = (code.at[i] >= 'A' && code.at[i] <= 'Z') || code.at[i] == '_' ||
			    (code.at[i] >= '0' && code.at[i] <= '9');
		if (!word) return;
	}
	memcpy(reason, code.at, code.length);
	reason[code.length] = '\0';
}

/* Up to three digits; -1 where it is no number. */
static int read_number(struct cdc_octets value)
{
	int number = 0;
	if (value.length < 1 || value.length > 3) return -1;
	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] < '0' || value.at[i] > '9') return -1;
		number = 10 * number + (value.at[i] - '0');
	}
	return number;
}

static bool is(struct cdc_octets name, const char *wanted)
{
	return name.length == strlen(wanted) && memcmp(name.at, wanted, name.length) == 0;
}

void cdc_grpc_status_header(
	struct cdc_grpc_status *status, struct cdc_octets name, struct cdc_octets value)
{
	if (is(name, ":status")) status->http = read_number(value);
	if (is(name, "grpc-status")) status->code = read_number(value);
	if (is(name, "grpc-message")) {
		read_message(value, status->message, sizeof(status->message));
	}
	if (is(name, "grpc-status-details-bin")) {
		read_details(value, status->reason, sizeof(status->reason));
	}
}

bool cdc_grpc_status_text(
	const struct cdc_grpc_status *status, const char *method, char *text, size_t room)
{
	if (status->http != 200 && status->http != 0) {
		snprintf(text, room, "%s: HTTP status %d; is this a socket of a sidecar?", method,
			status->http);
		return true;
	}
	if (status->code == 0) return false;
	if (status->code == CDC_STATUS_UNIMPLEMENTED) {
		snprintf(text, room,
			"the sidecar does not know %s: it is too old for this client (%s)", method,
			status->message);
		return true;
	}
	if (status->code < 0) {
		snprintf(text, room, "%s: the stream ended without a status", method);
		return true;
	}
	const char *reason = status->reason;
	snprintf(text, room, "%s: %s (status %d%s%s)", method, status->message, status->code,
		reason[0] == '\0' ? "" : ", ", reason);
	return true;
}
