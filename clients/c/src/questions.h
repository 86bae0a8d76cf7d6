/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about CIDs, with their answers for some seconds. Anybody can make a server ask by
 * sending it packets, so few questions are open at once, and none is repeated while its answer is
 * kept.
 */
#ifndef CDC_QUESTIONS_H
#define CDC_QUESTIONS_H

#include "cidecar/cidecar.h"
#include "clock.h"
#include "messages.h"
#include "siphash.h"

/* Questions without an answer at one time. */
#define CDC_OPEN_QUESTIONS 16
/* Questions that may wait for the sidecar, where it does not say fewer. Above that it ends the
 * Session. */
#define CDC_UNANSWERED_QUESTIONS 64
/* An answer that comes later helps nobody. */
#define CDC_ANSWER_WITHIN (2 * CDC_SECOND)
#define CDC_ANSWER_KEPT (10 * CDC_SECOND)
#define CDC_BUCKETS 128
#define CDC_WAYS 8

struct cdc_question {
	enum {
		CDC_FREE,
		CDC_UNSENT,
		CDC_SENT,
		CDC_ANSWERED,
		CDC_FAILED, /* the server is told so when it asks again */
	} state;
	enum cdc_about about;
	bool yes;
	uint8_t length;
	uint8_t cid[CIDECAR_MAX_CID];
	uint8_t token[CIDECAR_TOKEN];
	uint64_t number;
	int64_t at; /* when it was asked, then when it was answered */
};

struct cdc_questions {
	struct cdc_question buckets[CDC_BUCKETS][CDC_WAYS];
	struct cdc_question *open[CDC_OPEN_QUESTIONS];
	unsigned open_count;
	/* Of the present Session: those that were or will be sent and that the sidecar has not
	 * answered, also those for which nobody waits any more. */
	unsigned unanswered;
	uint64_t numbers;
	/* Places are found by a hash with a key, because attackers choose the CIDs. */
	struct cdc_siphash hash;
};

void cdc_questions_init(struct cdc_questions *questions, const uint8_t key[16]);

/*
 * What is known of a CID. Asks where nothing is known, unless `may_ask` is false: nobody would
 * answer. `token` is written where it is known.
 */
enum cidecar_answer cdc_questions_look(struct cdc_questions *questions, int64_t now, bool may_ask,
	enum cdc_about about, struct cdc_octets cid, uint8_t token[CIDECAR_TOKEN]);

/* The next question that was not sent; it counts as sent. NULL: none. */
const struct cdc_question *cdc_questions_unsent(struct cdc_questions *questions);

/* Returns whether somebody waits for this answer. */
bool cdc_questions_answered(
	struct cdc_questions *questions, int64_t now, const struct cdc_answer *answer);

/* Fails the questions that are too old; returns whether there were any. `next` is lowered to when
 * that has to be looked at again. */
bool cdc_questions_tick(struct cdc_questions *questions, int64_t now, int64_t *next);

/* No answers come any more. Returns whether some were waited for. */
bool cdc_questions_lost(struct cdc_questions *questions);

#endif
