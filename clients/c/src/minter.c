/* SPDX-License-Identifier: Apache-2.0 */
#include "minter.h"

#include <string.h>
#include <sys/random.h>

#include "feistel.h"

#define KEY 16
/* As in the proto: the most nonces of one lease. */
#define MOST_NONCES (1U << 24)

/* A LeaseNoncesResponse; octets are views of the message. */
struct lease {
	uint64_t generation;
	struct cdc_octets scheme;
	uint64_t config_id;
	uint64_t cid_length;
	uint64_t nonce_length;
	uint64_t use_length;
	bool self_encoded;
	struct cdc_octets server_id;
	struct cdc_octets key;
	struct cdc_octets first_counter;
	uint64_t count;
	struct cdc_octets permutation_key;
	struct cdc_octets reset_key;
	struct cdc_octets reset_tokens;
};

static bool read_lease(struct cdc_octets message, struct lease *lease)
{
	uint64_t self_encoded = 0;
	uint64_t *const numbers[] = {[1] = &lease->generation,
		[3] = &lease->config_id,
		[4] = &lease->cid_length,
		[5] = &lease->nonce_length,
		[6] = &lease->use_length,
		[7] = &self_encoded,
		[11] = &lease->count,
		[14] = NULL};
	struct cdc_octets *const strings[] = {[2] = &lease->scheme,
		[8] = &lease->server_id,
		[9] = &lease->key,
		[10] = &lease->first_counter,
		[12] = &lease->permutation_key,
		[13] = &lease->reset_key,
		[14] = &lease->reset_tokens};
	struct cdc_reader reader = cdc_read(message);
	struct cdc_field field;
	*lease = (struct lease){0};
	while (cdc_next_field(&reader, &field)) {
		if (field.number >= sizeof(strings) / sizeof(strings[0])) continue;
		bool number = field.type == CDC_VARINT && numbers[field.number] != NULL;
		bool string = field.type == CDC_BYTES && strings[field.number] != NULL;
		if (number) *numbers[field.number] = field.value;
		if (string) *strings[field.number] = field.octets;
	}
	lease->self_encoded = self_encoded != 0;
	return !reader.broken;
}

static bool is(struct cdc_octets text, const char *wanted)
{
	return text.length == strlen(wanted) && memcmp(text.at, wanted, text.length) == 0;
}

/* Why the terms cannot be kept, or NULL. */
static const char *lie_in(const struct lease *lease, size_t use)
{
	size_t server_id = lease->server_id.length;
	size_t nonce = lease->first_counter.length;
	size_t key = lease->key.length;
	bool katran = is(lease->scheme, "katran");
	if (!katran && !is(lease->scheme, "quic-lb")) return "a lease of an unknown scheme";
	if (lease->config_id > 6) return "a lease of a config that cannot be";
	if (lease->count < 1 || lease->count > MOST_NONCES) return "a lease of no nonces";
	if (lease->cid_length > CIDECAR_MAX_CID || lease->use_length > CIDECAR_MAX_CID) {
		return "a lease of CIDs that are too long";
	}
	bool block = server_id >= 1 && nonce >= 2 && nonce == lease->nonce_length;
	if (!block || server_id > CDC_MAX_BLOCK || nonce > CDC_MAX_BLOCK) {
		return "a lease whose server ID or counter has another length than it should";
	}
	if (1 + server_id + nonce + lease->use_length != lease->cid_length) {
		return "a lease whose parts do not make up its CIDs";
	}
	if (use > lease->use_length) return "a lease without room for the server-use octets";
	if (katran && (key > 0 || lease->use_length > 0)) {
		return "a lease of Katran's with a key, or with server-use octets";
	}
	bool one = (key == KEY) != (lease->permutation_key.length == KEY);
	if (!one || (key != KEY && key != 0) || lease->reset_key.length != KEY) {
		return "a lease whose keys are not those that it needs";
	}
	if (!is(lease->reset_tokens, "cmac") && !is(lease->reset_tokens, "hmac-sha256")) {
		return "a lease with reset tokens of an unknown kind";
	}
	return NULL;
}

static void take_keys(struct cdc_minter *minter, const struct lease *lease)
{
	minter->encrypts = lease->key.length > 0;
	cdc_aes_init(&minter->cipher, minter->encrypts ? lease->key.at : lease->permutation_key.at);
	minter->hmac = is(lease->reset_tokens, "hmac-sha256");
	if (minter->hmac)
		cdc_hmac_init(&minter->tokens.hmac, lease->reset_key.at);
	else
		cdc_cmac_init(&minter->tokens.cmac, lease->reset_key.at);
}

const char *cdc_minter_read(
	struct cdc_minter *minter, struct cdc_octets message, struct cdc_octets use)
{
	struct lease lease;
	memset(minter, 0, sizeof(*minter));
	if (!read_lease(message, &lease)) return "a lease that is no message";
	const char *lie = lie_in(&lease, use.length);
	if (lie != NULL) return lie;
	minter->generation = lease.generation;
	minter->left = (uint32_t)lease.count;
	minter->katran = is(lease.scheme, "katran");
	minter->self_encoded = lease.self_encoded;
	minter->config_id = (uint8_t)lease.config_id;
	minter->cid_length = (uint8_t)lease.cid_length;
	minter->server_id_length = (uint8_t)lease.server_id.length;
	minter->nonce_length = (uint8_t)lease.first_counter.length;
	minter->use_length = (uint8_t)lease.use_length;
	memcpy(minter->server_id, lease.server_id.at, lease.server_id.length);
	memcpy(minter->counter, lease.first_counter.at, lease.first_counter.length);
	minter->use_given = (uint8_t)use.length;
	if (use.length > 0) memcpy(minter->use, use.at, use.length);
	minter->random_used = sizeof(minter->random);
	take_keys(minter, &lease);
	return NULL;
}

void cdc_minter_forget(struct cdc_minter *minter)
{
	explicit_bzero(minter, sizeof(*minter));
}

static bool random_octets(struct cdc_minter *minter, uint8_t *octets, size_t count)
{
	size_t size = sizeof(minter->random);
	if (size - minter->random_used < count) {
		if (getrandom(minter->random, size, 0) != (ssize_t)size) return false;
		minter->random_used = 0;
	}
	memcpy(octets, minter->random + minter->random_used, count);
	minter->random_used += count;
	return true;
}

/* The next counter, modulo what its octets hold. */
static void count_on(uint8_t *counter, size_t length)
{
	for (size_t i = length; i-- > 0;) {
		counter[i]++;
		if (counter[i] != 0) return;
	}
}

/* Version and spare bits, round host ID and nonce, which are in place from octet 1 on. Version 1
 * has the host ID from bit 2 on, and the spare bits at the end. */
static void lay_out_katran(const struct cdc_minter *minter, uint8_t *cid, uint8_t spare)
{
	unsigned version = minter->config_id / 2;
	size_t last = minter->cid_length - 1;
	cid[0] = (uint8_t)(version << 6);
	if (version != 1) {
		cid[0] |= spare & 0x3f;
		return;
	}
	for (size_t i = 1; i <= last; i++) {
		cid[i - 1] |= cid[i] >> 2;
		cid[i] = (uint8_t)(cid[i] << 6);
	}
	cid[last] |= spare & 0x3f;
}

bool cdc_minter_make(struct cdc_minter *minter, struct cidecar_cid *cid)
{
	uint8_t spare;
	uint8_t *block = cid->cid + 1;
	uint8_t *nonce = block + minter->server_id_length;
	size_t length = (size_t)minter->server_id_length + minter->nonce_length;
	memset(cid, 0, sizeof(*cid));
	memcpy(block, minter->server_id, minter->server_id_length);
	memcpy(nonce, minter->counter, minter->nonce_length);
	count_on(minter->counter, minter->nonce_length);
	minter->left--;
	if (!minter->encrypts)
		cdc_feistel(&minter->cipher, nonce, minter->nonce_length, CDC_PERMUTATION_PASSES);
	else if (length == 16)
		cdc_aes_encrypt(&minter->cipher, block);
	else
		cdc_feistel(&minter->cipher, block, length, CDC_ENCRYPTION_PASSES);

	size_t free = (size_t)(minter->use_length - minter->use_given);
	memcpy(block + length, minter->use, minter->use_given);
	if (!random_octets(minter, block + length + minter->use_given, free)) return false;
	if (!random_octets(minter, &spare, 1)) return false;
	if (minter->katran) {
		lay_out_katran(minter, cid->cid, spare);
	} else {
		unsigned low = minter->self_encoded ? minter->cid_length - 1U : spare & 0x1fU;
		cid->cid[0] = (uint8_t)((unsigned)minter->config_id << 5 | low);
	}
	cid->length = minter->cid_length;
	cid->routable = true;
	cid->generation = minter->generation;
	if (minter->hmac)
		cdc_hmac_16(&minter->tokens.hmac, cid->cid, cid->length, cid->token);
	else
		cdc_cmac(&minter->tokens.cmac, cid->cid, cid->length, cid->token);
	return true;
}
