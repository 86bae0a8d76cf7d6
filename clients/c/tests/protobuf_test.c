/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/messages.h"
#include "test.h"

/* Whether all of a message can be read. It lies in memory of its own size, so that
 * AddressSanitizer sees what is read beside it. */
static bool reads(const char *digits)
{
	uint8_t octets[64];
	size_t length = hex(digits, octets);
	uint8_t *message = malloc(length);
	memcpy(message, octets, length);
	struct cdc_reader reader = cdc_read((struct cdc_octets){message, length});
	struct cdc_field field;
	volatile uint8_t seen = 0;
	while (cdc_next_field(&reader, &field)) {
		for (size_t i = 0; i < field.octets.length; i++) seen = field.octets.at[i];
	}
	(void)seen;
	free(message);
	return !reader.broken;
}

void test_protobuf(void)
{
	CHECK(reads(""));
	CHECK(reads("0801"));
	CHECK(reads("08ffffffffffffffffff01"));
	CHECK(reads("12021234"));
	CHECK(reads("0d01020304"));
	CHECK(reads("090102030405060708"));
	CHECK(!reads("08"));                       /* no value */
	CHECK(!reads("08ff"));                     /* a value without its end */
	CHECK(!reads("08ffffffffffffffffffff01")); /* eleven octets */
	CHECK(!reads("120212"));
	CHECK(!reads("120312"));                 /* longer than what is there */
	CHECK(!reads("12ffffffffffffffffff01")); /* longer than memory */
	CHECK(!reads("0001"));                   /* field 0 */
	CHECK(!reads("0b"));                     /* a group */
	CHECK(!reads("0f01"));                   /* no type */
	CHECK(!reads("0d010203"));
	CHECK(!reads("ffffffffff0f01")); /* a number that no field has */

	uint8_t octets[4];
	struct cdc_writer writer = {.at = octets, .room = sizeof(octets)};
	cdc_write_varint(&writer, 1, 0);
	CHECK(writer.length == 0);
	cdc_write_varint(&writer, 1, 300);
	CHECK(writer.length == 3 && memcmp(octets, "\x08\xac\x02", 3) == 0);
	cdc_write_varint(&writer, 2, 300);
	CHECK(writer.full && writer.length <= 4);
}

static bool read_hex(const char *digits, struct cdc_response *response, uint8_t octets[128])
{
	return cdc_read_response((struct cdc_octets){octets, hex(digits, octets)}, response);
}

static void test_requests(void)
{
	uint8_t octets[256];
	uint8_t instance[16] = {1, 2, 3};
	uint8_t worker[] = {0x5a};
	struct cdc_writer writer = {.at = octets, .room = sizeof(octets)};
	struct cdc_open open = {
		.client_name = "c",
		.server_use = {worker, 1},
		.known_generation = 5,
		.oldest_generation = 4,
		.can_retire = true,
	};
	memcpy(open.instance, instance, sizeof(instance));
	cdc_write_open(&writer, &open);
	cdc_write_credit(&writer, 64);
	struct cidecar_held held[] = {{0, 4}, {7, 1}};
	cdc_write_held(&writer, held, 2);
	cdc_write_acknowledged(&writer, 3);
	uint8_t cid[] = {0xab, 0xcd};
	cdc_write_question(&writer, 9, CDC_ABOUT_OWN, (struct cdc_octets){cid, 2});
	uint8_t expected[256];
	size_t length = hex("0a1e"
			    "0a0163"
			    "121001020300000000000000000000000000"
			    "1a015a"
			    "2005"
			    "2804"
			    "3001"
			    "1040"
			    "1a0a"
			    "0a021004"
			    "0a0408071001"
			    "2003"
			    "2a06"
			    "0809"
			    "1a02abcd",
		expected);
	CHECK(writer.length == length && memcmp(octets, expected, length) == 0);

	/* The longest that can be said fits. */
	struct cidecar_held all[CIDECAR_MAX_HELD];
	for (size_t i = 0; i < CIDECAR_MAX_HELD; i++) {
		all[i] = (struct cidecar_held){UINT64_MAX - i, UINT64_MAX};
	}
	uint8_t large[2048];
	struct cdc_writer longest = {.at = large, .room = sizeof(large)};
	cdc_write_held(&longest, all, CIDECAR_MAX_HELD);
	CHECK(!longest.full && longest.length == 3 + CIDECAR_MAX_HELD * 24);
}

void test_messages(void)
{
	struct cdc_response response;
	uint8_t octets[128];
	test_requests();
	CHECK(read_hex("", &response, octets) && response.event == CDC_UNKNOWN);
	/* An event of a later release. */
	CHECK(read_hex("7a00", &response, octets) && response.event == CDC_UNKNOWN);
	CHECK(read_hex("2a00", &response, octets) && response.event == CDC_ALIVE);
	CHECK(read_hex("0a1a"
		       "080c"
		       "120c"
		       "0801"
		       "1002"
		       "1801"
		       "2001"
		       "2801"
		       "3801"
		       "18e0d403"
		       "2880"
		       "8004"
		       "3840",
		&response, octets));
	CHECK(response.event == CDC_HELLO && response.of.hello.has_minting);
	CHECK(response.of.hello.cid_length == 12 && response.of.hello.lifetime_ms == 60000);
	CHECK(response.of.hello.credit_limit == 65536 && response.of.hello.question_limit == 64);
	CHECK(response.of.hello.minting.number == 1 && response.of.hello.minting.generation == 2);
	CHECK(response.of.hello.minting.makes_void && response.of.hello.minting.routable);
	CHECK(response.of.hello.minting.zero_host_id);
	CHECK(read_hex("120f"
		       "0a020102"
		       "12020304"
		       "1801"
		       "2002"
		       "3003"
		       "3801",
		      &response, octets) == false); /* one octet short */
	CHECK(read_hex("1210"
		       "0a020102"
		       "12020304"
		       "1801"
		       "2002"
		       "3003"
		       "3801",
		&response, octets));
	CHECK(response.event == CDC_BATCH && response.of.batch.routable);
	CHECK(response.of.batch.cids.length == 2 && response.of.batch.cids.at[1] == 2);
	CHECK(response.of.batch.tokens.at[0] == 3 && response.of.batch.count == 1);
	CHECK(response.of.batch.generation == 3 && response.of.batch.cid_length == 2);
	CHECK(read_hex("2206"
		       "0807"
		       "12020805",
		&response, octets));
	CHECK(response.event == CDC_REISSUE && response.of.reissue.through_generation == 7);
	CHECK(response.of.reissue.has_deadline && response.of.reissue.deadline_seconds == 5);
	CHECK(!read_hex("2205"
			"0807"
			"120108",
		&response, octets)); /* a broken time */
	CHECK(read_hex("3207"
		       "0809"
		       "22030a0141",
		&response, octets));
	CHECK(response.event == CDC_ANSWER && response.of.answer.number == 9);
	CHECK(response.of.answer.result == CDC_REFUSAL_RESULT);
	CHECK(response.of.answer.code.length == 1);
	/* A field of another type than it should have says nothing. */
	CHECK(read_hex("2202"
		       "0a00",
		&response, octets));
	CHECK(response.of.reissue.through_generation == 0 && !response.of.reissue.has_deadline);
}
