/* SPDX-License-Identifier: Apache-2.0 */
#include "protobuf.h"

#include <string.h>

struct cdc_reader cdc_read(struct cdc_octets message)
{
	return (struct cdc_reader){.left = message};
}

static void skip(struct cdc_octets *octets, size_t count)
{
	octets->at += count;
	octets->length -= count;
}

static bool read_varint(struct cdc_octets *left, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && left->length > 0; shift += 7) {
		uint8_t octet = left->at[0];
		skip(left, 1);
		*value |= (uint64_t)(octet & 0x7f) << shift;
		if (octet < 0x80) return true;
	}
	return false;
}

static bool read_fixed(struct cdc_octets *left, size_t size, uint64_t *value)
{
	if (left->length < size) return false;
	*value = 0;
	for (size_t i = 0; i < size; i++) *value |= (uint64_t)left->at[i] << (8 * i);
	skip(left, size);
	return true;
}

static bool read_value(struct cdc_octets *left, struct cdc_field *field)
{
	switch (field->type) {
	case CDC_VARINT:
		return read_varint(left, &field->value);
	case CDC_FIXED64:
		return read_fixed(left, 8, &field->value);
	case CDC_FIXED32:
		return read_fixed(left, 4, &field->value);
	case CDC_BYTES: {
		uint64_t length;
		if (!read_varint(left, &length) || length > left->length) return false;
		field->octets = (struct cdc_octets){left->at, (size_t)length};
		skip(left, (size_t)length);
		return true;
	}
	}
	return false; /* Groups, which proto3 does not have. */
}

bool cdc_next_field(struct cdc_reader *reader, struct cdc_field *field)
{
	uint64_t key;
	if (reader->broken || reader->left.length == 0) return false;
	*field = (struct cdc_field){0};
	reader->broken = true;
	if (!read_varint(&reader->left, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3) {
		return false;
	}
	unsigned type = key & 7;
	if (type != CDC_VARINT && type != CDC_FIXED64 && type != CDC_BYTES && type != CDC_FIXED32) {
		return false;
	}
	field->number = (uint32_t)(key >> 3);
	field->type = type;
	reader->broken = !read_value(&reader->left, field);
	return !reader->broken;
}

static void put(struct cdc_writer *writer, const uint8_t *octets, size_t length)
{
	if (length > writer->room - writer->length) writer->full = true;
	if (writer->full) return;
	if (length > 0) memcpy(writer->at + writer->length, octets, length);
	writer->length += length;
}

static void put_varint(struct cdc_writer *writer, uint64_t value)
{
	uint8_t octets[10];
	size_t length = 0;
	do {
		octets[length] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
		length++;
	} while (value > 0);
	put(writer, octets, length);
}

void cdc_write_varint(struct cdc_writer *writer, uint32_t number, uint64_t value)
{
	if (value == 0) return;
	put_varint(writer, (uint64_t)number << 3 | CDC_VARINT);
	put_varint(writer, value);
}

void cdc_write_bytes(struct cdc_writer *writer, uint32_t number, struct cdc_octets octets)
{
	put_varint(writer, (uint64_t)number << 3 | CDC_BYTES);
	put_varint(writer, octets.length);
	put(writer, octets.at, octets.length);
}
