/* SPDX-License-Identifier: Apache-2.0 */
#include "failover.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "feistel.h"

static size_t fixed_octets(const struct cdc_failover *form)
{
	return form->zero_host_id ? 1 + CDC_ZEROES : 1;
}

void cdc_failover_init(
	struct cdc_failover *form, size_t cid_length, bool zero_host_id, const uint8_t random[52])
{
	form->cid_length = (uint8_t)cid_length;
	form->zero_host_id = zero_host_id;
	cdc_aes_init(&form->permutation, random);
	cdc_cmac_init(&form->tokens, random + 16);
	memcpy(form->start, random + 32, sizeof(form->start));
	atomic_store(&form->used, 0);
}

struct cdc_failover *cdc_failover_of_process(size_t cid_length, bool zero_host_id)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct cdc_failover forms[2][CIDECAR_MAX_CID + 1];
	static pid_t owners[2][CIDECAR_MAX_CID + 1];
	struct cdc_failover *form = &forms[zero_host_id][cid_length];
	pid_t *owner = &owners[zero_host_id][cid_length];

	pthread_mutex_lock(&lock);
	/* A child of fork() would make the CIDs of its parent. */
	if (*owner != getpid()) {
		uint8_t random[52];
		if (getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random)) {
			cdc_failover_init(form, cid_length, zero_host_id, random);
			*owner = getpid();
		} else {
			form = NULL;
		}
	}
	pthread_mutex_unlock(&lock);
	return form;
}

/* Adds to a big endian number, modulo what its octets hold. */
static void add(uint8_t *octets, size_t length, uint64_t value)
{
	unsigned carry = 0;
	for (size_t i = length; i-- > 0; value >>= 8) {
		carry += octets[i] + (unsigned)(value & 0xff);
		octets[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

bool cdc_failover_make(struct cdc_failover *form, struct cidecar_cid *cid)
{
	size_t fixed = fixed_octets(form);
	size_t length = form->cid_length - fixed;
	uint64_t number = atomic_fetch_add_explicit(&form->used, 1, memory_order_relaxed);

	memset(cid->cid, 0, sizeof(cid->cid));
	cid->cid[0] = (uint8_t)(0xe0 | (form->cid_length - 1));
	memcpy(cid->cid + fixed, form->start, length);
	add(cid->cid + fixed, length, number);
	cdc_feistel(&form->permutation, cid->cid + fixed, length, CDC_PERMUTATION_PASSES);
	cid->length = form->cid_length;
	cid->routable = false;
	cdc_cmac(&form->tokens, cid->cid, cid->length, cid->token);
	return length < 8 && number > 0 && number % (UINT64_C(1) << (8 * length)) == 0;
}
