/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

#include <string.h>

/*
 * A field of a type that its message does not say is skipped, as if its number were unknown. Of a
 * field that comes twice the last counts.
 */
static bool is(const struct cdc_field *field, uint32_t number, int type)
{
	return field->number == number && (int)field->type == type;
}

static bool read_minting(struct cdc_octets message, struct cdc_minting *minting)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*minting = (struct cdc_minting){0};
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_VARINT)) minting->number = field.value;
		if (is(&field, 2, CDC_VARINT)) minting->generation = field.value;
		if (is(&field, 3, CDC_VARINT)) minting->makes_void = field.value != 0;
		if (is(&field, 5, CDC_VARINT)) minting->routable = field.value != 0;
		if (is(&field, 7, CDC_VARINT)) minting->zero_host_id = field.value != 0;
	}
	return !reader.broken;
}

static bool read_hello(struct cdc_octets message, struct cdc_hello *hello)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*hello = (struct cdc_hello){0};
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_VARINT)) hello->cid_length = (uint32_t)field.value;
		if (is(&field, 2, CDC_BYTES)) {
			if (!read_minting(field.octets, &hello->minting)) return false;
			hello->has_minting = true;
		}
		if (is(&field, 3, CDC_VARINT)) hello->lifetime_ms = (uint32_t)field.value;
		if (is(&field, 5, CDC_VARINT)) hello->credit_limit = (uint32_t)field.value;
		if (is(&field, 7, CDC_VARINT)) hello->question_limit = (uint32_t)field.value;
	}
	return !reader.broken;
}

static bool read_batch(struct cdc_octets message, struct cdc_batch *batch)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*batch = (struct cdc_batch){0};
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_BYTES)) batch->cids = field.octets;
		if (is(&field, 2, CDC_BYTES)) batch->tokens = field.octets;
		if (is(&field, 3, CDC_VARINT)) batch->count = (uint32_t)field.value;
		if (is(&field, 4, CDC_VARINT)) batch->cid_length = (uint32_t)field.value;
		if (is(&field, 6, CDC_VARINT)) batch->generation = field.value;
		if (is(&field, 7, CDC_VARINT)) batch->routable = field.value != 0;
	}
	return !reader.broken;
}

static bool read_time(struct cdc_octets message, struct cdc_reissue *reissue)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	reissue->has_deadline = true;
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_VARINT)) reissue->deadline_seconds = (int64_t)field.value;
		if (is(&field, 2, CDC_VARINT)) reissue->deadline_nanos = (int32_t)field.value;
	}
	return !reader.broken;
}

static bool read_reissue(struct cdc_octets message, struct cdc_reissue *reissue)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*reissue = (struct cdc_reissue){0};
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_VARINT)) reissue->through_generation = field.value;
		if (is(&field, 2, CDC_BYTES) && !read_time(field.octets, reissue)) return false;
	}
	return !reader.broken;
}

static bool read_refusal(struct cdc_octets message, struct cdc_octets *code)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_BYTES)) *code = field.octets;
	}
	return !reader.broken;
}

static bool read_answer(struct cdc_octets message, struct cdc_answer *answer)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*answer = (struct cdc_answer){0};
	while (cdc_next_field(&reader, &field)) {
		if (is(&field, 1, CDC_VARINT)) answer->number = field.value;
		if (is(&field, 2, CDC_BYTES)) {
			answer->result = CDC_TOKEN_RESULT;
			answer->token = field.octets;
		}
		if (is(&field, 3, CDC_VARINT)) {
			answer->result = CDC_OWN_RESULT;
			answer->own = field.value != 0;
		}
		if (is(&field, 4, CDC_BYTES)) {
			answer->result = CDC_REFUSAL_RESULT;
			if (!read_refusal(field.octets, &answer->code)) return false;
		}
	}
	return !reader.broken;
}

static bool read_event(const struct cdc_field *field, struct cdc_response *response)
{
	switch (field->number) {
	case 1:
		response->event = CDC_HELLO;
		return read_hello(field->octets, &response->of.hello);
	case 2:
		response->event = CDC_BATCH;
		return read_batch(field->octets, &response->of.batch);
	case 3:
		response->event = CDC_MINTING;
		return read_minting(field->octets, &response->of.minting);
	case 4:
		response->event = CDC_REISSUE;
		return read_reissue(field->octets, &response->of.reissue);
	case 5:
		response->event = CDC_ALIVE;
		return true;
	case 6:
		response->event = CDC_ANSWER;
		return read_answer(field->octets, &response->of.answer);
	default:
		return true;
	}
}

bool cdc_read_response(struct cdc_octets message, struct cdc_response *response)
{
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*response = (struct cdc_response){.event = CDC_UNKNOWN};
	while (cdc_next_field(&reader, &field)) {
		if ((int)field.type == CDC_BYTES && !read_event(&field, response)) return false;
	}
	return !reader.broken;
}

static struct cdc_octets written(const struct cdc_writer *writer)
{
	return (struct cdc_octets){writer->at, writer->length};
}

void cdc_write_open(struct cdc_writer *writer, const struct cdc_open *open)
{
	uint8_t octets[256];
	struct cdc_writer part = {.at = octets, .room = sizeof(octets)};
	const uint8_t *name = (const uint8_t *)open->client_name;
	cdc_write_bytes(&part, 1, (struct cdc_octets){name, strlen(open->client_name)});
	cdc_write_bytes(&part, 2, (struct cdc_octets){open->instance, sizeof(open->instance)});
	if (open->server_use.length > 0) cdc_write_bytes(&part, 3, open->server_use);
	cdc_write_varint(&part, 4, open->known_generation);
	cdc_write_varint(&part, 5, open->oldest_generation);
	cdc_write_varint(&part, 6, open->can_retire);
	cdc_write_bytes(writer, 1, written(&part));
}

void cdc_write_credit(struct cdc_writer *writer, uint32_t credit)
{
	cdc_write_varint(writer, 2, credit);
}

void cdc_write_held(struct cdc_writer *writer, const struct cidecar_held *held, size_t count)
{
	uint8_t all[CIDECAR_MAX_HELD * 26];
	struct cdc_writer list = {.at = all, .room = sizeof(all)};
	for (size_t i = 0; i < count; i++) {
		uint8_t one[24];
		struct cdc_writer part = {.at = one, .room = sizeof(one)};
		cdc_write_varint(&part, 1, held[i].generation);
		cdc_write_varint(&part, 2, held[i].connections);
		cdc_write_bytes(&list, 1, written(&part));
	}
	cdc_write_bytes(writer, 3, written(&list));
}

void cdc_write_acknowledged(struct cdc_writer *writer, uint64_t number)
{
	cdc_write_varint(writer, 4, number);
}

void cdc_write_question(
	struct cdc_writer *writer, uint64_t number, enum cdc_about about, struct cdc_octets cid)
{
	uint8_t octets[48];
	struct cdc_writer part = {.at = octets, .room = sizeof(octets)};
	cdc_write_varint(&part, 1, number);
	cdc_write_bytes(&part, about == CDC_ABOUT_TOKEN ? 2 : 3, cid);
	cdc_write_bytes(writer, 5, written(&part));
}
