/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/failover.h"
#include "../src/feistel.h"
#include "../src/hmac.h"
#include "../src/siphash.h"
#include "test.h"

static struct cdc_aes with_key(const char *digits)
{
	uint8_t key[16];
	struct cdc_aes aes;
	CHECK(hex(digits, key) == 16);
	cdc_aes_init(&aes, key);
	return aes;
}

static void check_cmac(const char *message, const char *mac)
{
	/* RFC 4493, section 4. */
	struct cdc_cmac cmac;
	uint8_t key[16];
	uint8_t octets[64];
	uint8_t expected[16];
	uint8_t made[16];
	hex("2b7e151628aed2a6abf7158809cf4f3c", key);
	hex(mac, expected);
	cdc_cmac_init(&cmac, key);
	cdc_cmac(&cmac, octets, hex(message, octets), made);
	CHECK(memcmp(made, expected, 16) == 0);
}

static void check_feistel(const char *key, const char *from, const char *to, unsigned passes)
{
	struct cdc_aes aes = with_key(key);
	uint8_t octets[32];
	uint8_t expected[32];
	size_t length = hex(from, octets);
	hex(to, expected);
	cdc_feistel(&aes, octets, length, passes);
	CHECK(memcmp(octets, expected, length) == 0);
}

static void check_hmac(const char *message, const char *mac)
{
	struct cdc_hmac hmac;
	uint8_t octets[64];
	uint8_t expected[16];
	uint8_t made[16];
	uint8_t key[16];
	hex("000102030405060708090a0b0c0d0e0f", key);
	hex(mac, expected);
	cdc_hmac_init(&hmac, key);
	cdc_hmac_16(&hmac, octets, hex(message, octets), made);
	CHECK(memcmp(made, expected, 16) == 0);
}

static void test_siphash(void)
{
	/* Of the reference implementation, for the messages 00 01 ... of 15 and 16 octets. */
	struct cdc_siphash hash;
	uint8_t octets[16];
	for (uint8_t i = 0; i < 16; i++) octets[i] = i;
	cdc_siphash_init(&hash, octets);
	CHECK(cdc_siphash(&hash, octets, 15) == UINT64_C(0xa129ca6149be45e5));
	CHECK(cdc_siphash(&hash, octets, 16) == UINT64_C(0x3f2acc7f57c29bdb));
}

static void check_permutation(size_t length, uint32_t size)
{
	struct cdc_aes aes = with_key("000102030405060708090a0b0c0d0e0f");
	uint8_t *seen = calloc(size, 1);
	for (uint32_t i = 0; i < size; i++) {
		uint8_t octets[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		uint32_t value = 0;
		cdc_feistel(&aes, octets + 3 - length, length, CDC_PERMUTATION_PASSES);
		for (size_t j = 3 - length; j < 3; j++) value = value << 8 | octets[j];
		CHECK(!seen[value]);
		seen[value] = 1;
	}
	free(seen);
}

void test_crypto(void)
{
	/* FIPS 197, appendix C.1. */
	struct cdc_aes aes = with_key("000102030405060708090a0b0c0d0e0f");
	uint8_t block[16];
	uint8_t expected[16];
	hex("00112233445566778899aabbccddeeff", block);
	hex("69c4e0d86a7b0430d8cdb78070b4c55a", expected);
	cdc_aes_encrypt(&aes, block);
	CHECK(memcmp(block, expected, 16) == 0);

	check_cmac("", "bb1d6929e95937287fa37d129b756746");
	check_cmac("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c");
	check_cmac(
		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
		"dfa66747de9ae63030ca32611497c827");

	check_hmac("01080f161d242b32", "16c9c2872ba2f34f645332e9e7c743c1");
	check_hmac("01080f161d242b323940474e555c636a71787f86", "143cb0c52a9d8670f580e540adb9ed35");
	check_hmac("01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b1"
		   "21920272e353c434a51585f666d747b",
		"3edd224d10ebcd1f64e6c95a73f67bf9");
	test_siphash();

	/* The four passes of draft-ietf-quic-load-balancers-22, appendix B, of odd and even
	 * lengths. */
	const char *key = "8f95f09245765f80256934e50c66207f";
	check_feistel(key, "ed793aee080dbf", "20b1d07b359d3c", 4);
	check_feistel(key, "ed793a51d49b8f5fab65ee080dbf48", "cc381bc74cb4fbad2823a3d1f8fed2", 4);
	check_feistel(key, "ed793a51d49b8f5fabee080dbf48c0d1e55d",
		"5779c9cc86beb3a3a4a3ca96fce4bfe0cdbc", 4);
	/* Of cid/testdata/cidecar.json. */
	check_feistel(
		"000102030405060708090a0b0c0d0e0f", "00000000", "15e7f9ba", CDC_PERMUTATION_PASSES);
	check_feistel(
		"000102030405060708090a0b0c0d0e0f", "00000001", "823aa3eb", CDC_PERMUTATION_PASSES);
	check_feistel(
		"000102030405060708090a0b0c0d0e0f", "ffffffff", "1ade432a", CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "0000000000", "d9e1943d0b",
		CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "0000000001", "c27dba003c",
		CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "00000000000102", "d2b8b580b8ea4c",
		CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "01020304050607", "d08efe3f1239fd",
		CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "0000000000000001", "e7cfd2485171672c",
		CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "0000000000000000000001",
		"da5037542b8112416ac030", CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "00000000000000000000000000000001",
		"e7a09f9d36a7fcc65e8d87ffdfa4d94e", CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "0000000010000000000000000000000001",
		"2353a1f25817a46173599259d170192654", CDC_PERMUTATION_PASSES);
	check_feistel("000102030405060708090a0b0c0d0e0f", "000000000000000000000000000000000001",
		"ab700cd38dc1bcd4aa27acf7e4dea3a1fb09", CDC_PERMUTATION_PASSES);
	check_permutation(2, 1 << 16);
}

/* A small space, of which every CID differs: 3 free octets, of which the test walks a part at
 * either end of the counter, and what comes after the last. */
void test_failover(void)
{
	static struct cdc_failover form;
	uint8_t random[52];
	struct cidecar_cid first;
	struct cidecar_cid cid;
	for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)(7 * i + 255);
	cdc_failover_init(&form, 8, true, random);
	uint8_t *seen = calloc(1 << 24, 1);
	for (uint32_t i = 0; i < 100000; i++) {
		CHECK(!cdc_failover_make(&form, &cid));
		if (i == 0) first = cid;
		CHECK(cid.length == 8 && cid.cid[0] == 0xe7 && !cid.routable);
		for (size_t zero = 1; zero <= 4; zero++) CHECK(cid.cid[zero] == 0);
		uint32_t value =
			(uint32_t)cid.cid[5] << 16 | (uint32_t)cid.cid[6] << 8 | cid.cid[7];
		CHECK(!seen[value]);
		seen[value] = 1;
		if (i == 50000) atomic_store(&form.used, (1 << 24) - 49999);
	}
	free(seen);
	/* All were made: the oldest comes again, and that is said once. */
	CHECK(cdc_failover_make(&form, &cid) && memcmp(cid.cid, first.cid, 8) == 0);
	CHECK(memcmp(cid.token, first.token, CIDECAR_TOKEN) == 0);
	CHECK(!cdc_failover_make(&form, &cid));

	cdc_failover_init(&form, 20, false, random);
	CHECK(!cdc_failover_make(&form, &first) && !cdc_failover_make(&form, &cid));
	CHECK(first.cid[0] == 0xf3 && first.length == 20 && memcmp(first.cid, cid.cid, 20) != 0);
	CHECK(memcmp(first.token, cid.token, CIDECAR_TOKEN) != 0);
	/* Nobody sees that they come one after the other. */
	size_t same = 0;
	for (size_t i = 1; i < 20; i++) same += first.cid[i] == cid.cid[i];
	CHECK(same < 5);

	struct cdc_failover *one = cdc_failover_of_process(12, false);
	CHECK(one != NULL && one == cdc_failover_of_process(12, false));
	CHECK(one != cdc_failover_of_process(12, true));
}
