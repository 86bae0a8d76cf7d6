/* SPDX-License-Identifier: Apache-2.0 */
/* CIDs that are minted from a lease, and leases that cannot be used. */
#include "../src/minter.h"
#include "test.h"

/* A LeaseNoncesResponse; strings are hexadecimal, but for scheme and reset tokens. */
struct terms {
	const char *scheme;
	unsigned config_id, cid_length, nonce_length, use_length, count;
	bool self_encoded;
	const char *server_id, *key, *counter, *permutation_key, *reset_key, *reset_tokens;
};

static const char *const KEY = "000102030405060708090a0b0c0d0e0f";

static struct cdc_octets text(const char *text)
{
	return (struct cdc_octets){(const uint8_t *)text, strlen(text)};
}

static void write_hex(struct cdc_writer *writer, uint32_t number, const char *digits)
{
	uint8_t octets[64];
	if (digits == NULL) return;
	cdc_write_bytes(writer, number, (struct cdc_octets){octets, hex(digits, octets)});
}

static const char *read_with(
	struct cdc_minter *minter, const struct terms *terms, struct cdc_octets use)
{
	uint8_t octets[512];
	struct cdc_writer writer = {.at = octets, .room = sizeof(octets)};
	cdc_write_varint(&writer, 1, 7);
	cdc_write_bytes(&writer, 2, text(terms->scheme));
	cdc_write_varint(&writer, 3, terms->config_id);
	cdc_write_varint(&writer, 4, terms->cid_length);
	cdc_write_varint(&writer, 5, terms->nonce_length);
	cdc_write_varint(&writer, 6, terms->use_length);
	cdc_write_varint(&writer, 7, terms->self_encoded);
	write_hex(&writer, 8, terms->server_id);
	write_hex(&writer, 9, terms->key);
	write_hex(&writer, 10, terms->counter);
	cdc_write_varint(&writer, 11, terms->count);
	write_hex(&writer, 12, terms->permutation_key);
	write_hex(&writer, 13, terms->reset_key);
	cdc_write_bytes(&writer, 14, text(terms->reset_tokens));
	CHECK(!writer.full);
	return cdc_minter_read(minter, (struct cdc_octets){octets, writer.length}, use);
}

static const struct cdc_octets NO_USE = {NULL, 0};

/* Of the draft: cid/testdata/draft-22.json of the project. */
static void check_draft(
	unsigned config, const char *server_id, const char *nonce, const char *minted)
{
	struct cdc_minter minter;
	struct cidecar_cid cid;
	uint8_t expected[32];
	struct terms terms = {.scheme = "quic-lb", .config_id = config, .count = 1};
	terms.cid_length = (unsigned)hex(minted, expected);
	terms.nonce_length = (unsigned)strlen(nonce) / 2;
	terms.self_encoded = true;
	terms.server_id = server_id;
	terms.key = "8f95f09245765f80256934e50c66207f";
	terms.counter = nonce;
	terms.reset_key = KEY;
	terms.reset_tokens = "cmac";
	CHECK(read_with(&minter, &terms, NO_USE) == NULL);
	CHECK(cdc_minter_make(&minter, &cid) && minter.left == 0);
	CHECK(cid.length == terms.cid_length && cid.routable && cid.generation == 7);
	CHECK(memcmp(cid.cid, expected, cid.length) == 0);
}

static const struct terms PLAIN = {
	.scheme = "quic-lb",
	.config_id = 3,
	.cid_length = 10,
	.nonce_length = 4,
	.use_length = 2,
	.count = 10,
	.server_id = "010203",
	.counter = "ffffffff",
	.permutation_key = KEY,
	.reset_key = "30313233343536373839616263646566",
	.reset_tokens = "hmac-sha256",
};

/* The nonces of cid/testdata/cidecar.json for the last counter, and for the first, which follows.
 */
static void test_plain(void)
{
	static const char *const nonces[] = {"1ade432a", "15e7f9ba"};
	struct cdc_minter minter;
	uint8_t use = 0x5a;
	unsigned others = 0;
	unsigned lows = 0;
	CHECK(read_with(&minter, &PLAIN, (struct cdc_octets){&use, 1}) == NULL);
	for (size_t i = 0; i < 10; i++) {
		struct cidecar_cid cid;
		uint8_t expected[16] = {1, 2, 3};
		CHECK(cdc_minter_make(&minter, &cid) && minter.left == 9 - i);
		CHECK(cid.cid[0] >> 5 == 3 && cid.cid[8] == 0x5a);
		lows |= 1U << (cid.cid[0] & 0x1f);
		others |= 1U << (cid.cid[9] % 32);
		if (i >= 2) continue;
		hex(nonces[i], expected + 3);
		CHECK(memcmp(cid.cid + 1, expected, 7) == 0);
	}
	/* What is free is random. */
	CHECK((lows & (lows - 1)) != 0 && (others & (others - 1)) != 0);
	cdc_minter_forget(&minter);
	static const struct cdc_minter empty;
	CHECK(memcmp(&minter, &empty, sizeof(minter)) == 0);
}

static void check_katran(
	unsigned config, const char *server_id, const char *minted, uint8_t first, uint8_t last)
{
	struct terms terms = PLAIN;
	struct cdc_minter minter;
	struct cidecar_cid cid;
	uint8_t expected[32];
	terms.scheme = "katran";
	terms.config_id = config;
	terms.use_length = 0;
	terms.server_id = server_id;
	terms.cid_length = (unsigned)strlen(server_id) / 2 + 5;
	CHECK(read_with(&minter, &terms, NO_USE) == NULL && cdc_minter_make(&minter, &cid));
	CHECK(hex(minted, expected) == cid.length);
	/* Without the spare bits, which are random. */
	cid.cid[0] &= (uint8_t)~first;
	cid.cid[cid.length - 1] &= (uint8_t)~last;
	CHECK(memcmp(cid.cid, expected, cid.length) == 0);
}

static void check_refused(const struct terms *terms)
{
	struct cdc_minter minter;
	uint8_t use = 0x5a;
	CHECK(read_with(&minter, terms, (struct cdc_octets){&use, 1}) != NULL);
	CHECK(minter.left == 0);
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct terms terms = PLAIN;                                                        \
		terms.change;                                                                      \
		check_refused(&terms);                                                             \
	} while (0)

static void test_refusals(void)
{
	REFUSED(scheme = "quic-lbs");
	REFUSED(config_id = 7);
	REFUSED(count = 0);
	REFUSED(count = (1 << 24) + 1);
	REFUSED(server_id = NULL);
	REFUSED(nonce_length = 5);
	REFUSED(counter = NULL);
	REFUSED(cid_length = 11);
	REFUSED(cid_length = 30);
	REFUSED(use_length = UINT32_MAX - 7);
	REFUSED(key = KEY);
	REFUSED(key = "00");
	REFUSED(permutation_key = NULL);
	REFUSED(permutation_key = "00");
	REFUSED(reset_key = NULL);
	REFUSED(reset_tokens = "");
	REFUSED(scheme = "katran");
	struct terms no_room = PLAIN;
	no_room.use_length = 0;
	no_room.cid_length = 8;
	check_refused(&no_room);
	struct terms short_nonce = PLAIN;
	short_nonce.counter = "ff";
	short_nonce.nonce_length = 1;
	short_nonce.cid_length = 7;
	check_refused(&short_nonce);
	struct cdc_minter minter;
	struct terms katran_with_key = PLAIN;
	katran_with_key.scheme = "katran";
	katran_with_key.config_id = 2;
	katran_with_key.use_length = 0;
	katran_with_key.cid_length = 8;
	CHECK(read_with(&minter, &katran_with_key, NO_USE) == NULL);
	katran_with_key.key = KEY;
	katran_with_key.permutation_key = NULL;
	CHECK(read_with(&minter, &katran_with_key, NO_USE) != NULL);
	CHECK(cdc_minter_read(&minter, text("\x0a\x05g"), NO_USE) != NULL);
}

void test_minter(void)
{
	check_draft(0, "ed793a", "ee080dbf", "0720b1d07b359d3c");
	check_draft(1, "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2");
	check_draft(
		2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", "504dd2d05a7b0de9b2b9907afb5ecf8cc3");
	check_draft(0, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d",
		"125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc");
	test_plain();
	check_katran(2, "0402", "410086b790ca80", 0, 0x3f);
	check_katran(4, "030402", "800304021ade432a", 0x3f, 0);
	check_katran(6, "03040205", "c0030402051ade432a", 0x3f, 0);
	test_refusals();
}
