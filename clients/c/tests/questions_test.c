/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/questions.h"
#include "test.h"

static struct cdc_questions questions;
static uint8_t token[CIDECAR_TOKEN];

static enum cidecar_answer look(int64_t now, uint8_t about, uint8_t number)
{
	uint8_t cid[12] = {1, 2, 3, number};
	struct cdc_octets octets = {cid, sizeof(cid)};
	return cdc_questions_look(&questions, now, true, about, octets, token);
}

static bool answer(int64_t now, uint64_t number, int result, const char *code)
{
	static const uint8_t octets[CIDECAR_TOKEN] = {9, 8, 7};
	struct cdc_answer said = {
		.number = number,
		.result = result,
		.token = {octets, sizeof(octets)},
		.own = true,
		.code = {(const uint8_t *)code, strlen(code)},
	};
	return cdc_questions_answered(&questions, now, &said);
}

static void begin(void)
{
	static const uint8_t key[16] = {1};
	cdc_questions_init(&questions, key);
}

void test_questions(void)
{
	int64_t next = CDC_NEVER;
	begin();
	CHECK(look(0, CDC_ABOUT_TOKEN, 1) == CIDECAR_PENDING);
	CHECK(look(0, CDC_ABOUT_TOKEN, 1) == CIDECAR_PENDING && questions.open_count == 1);
	/* What was not asked is not answered. */
	CHECK(!answer(0, 1, CDC_TOKEN_RESULT, ""));
	const struct cdc_question *asked = cdc_questions_unsent(&questions);
	CHECK(asked != NULL && asked->number == 1 && asked->length == 12);
	CHECK(cdc_questions_unsent(&questions) == NULL);
	CHECK(!answer(0, 2, CDC_TOKEN_RESULT, ""));
	CHECK(answer(5, 1, CDC_TOKEN_RESULT, "") && !answer(5, 1, CDC_TOKEN_RESULT, ""));
	CHECK(look(6, CDC_ABOUT_TOKEN, 1) == CIDECAR_YES && token[0] == 9);
	/* Another kind of question is another question. */
	CHECK(look(6, CDC_ABOUT_OWN, 1) == CIDECAR_PENDING);
	/* It is kept for 10 s. */
	CHECK(look(5 + CDC_ANSWER_KEPT - 1, CDC_ABOUT_TOKEN, 1) == CIDECAR_YES);
	CHECK(look(5 + CDC_ANSWER_KEPT, CDC_ABOUT_TOKEN, 1) == CIDECAR_PENDING);

	/* What is not ours has no token, and another refusal is no answer; it is told once. */
	static const char *const codes[] = {"FOREIGN_CID", "CONFIG_UNKNOWN", "CID_UNKNOWN",
		"ARGUMENT_INVALID", "STATE_UNWRITABLE", ""};
	for (uint8_t i = 0; i < 6; i++) {
		begin();
		look(0, CDC_ABOUT_TOKEN, i);
		cdc_questions_unsent(&questions);
		CHECK(answer(0, 1, CDC_REFUSAL_RESULT, codes[i]));
		CHECK(look(1, CDC_ABOUT_TOKEN, i) == (i < 4 ? CIDECAR_NO : CIDECAR_UNAVAILABLE));
		CHECK(look(1, CDC_ABOUT_TOKEN, i) == (i < 4 ? CIDECAR_NO : CIDECAR_PENDING));
	}
	/* An answer of the wrong kind is none. */
	begin();
	look(0, CDC_ABOUT_OWN, 1);
	cdc_questions_unsent(&questions);
	CHECK(answer(0, 1, CDC_TOKEN_RESULT, ""));
	CHECK(look(0, CDC_ABOUT_OWN, 1) == CIDECAR_UNAVAILABLE);

	/* Sixteen are open at most; those that are too old fail. */
	begin();
	for (uint8_t i = 0; i < 16; i++) CHECK(look(i, CDC_ABOUT_TOKEN, i) == CIDECAR_PENDING);
	CHECK(look(20, CDC_ABOUT_TOKEN, 99) == CIDECAR_UNAVAILABLE);
	while (cdc_questions_unsent(&questions) != NULL) {
	}
	CHECK(!cdc_questions_tick(&questions, CDC_ANSWER_WITHIN - 1, &next));
	CHECK(next == CDC_ANSWER_WITHIN);
	CHECK(cdc_questions_tick(&questions, CDC_ANSWER_WITHIN, &next));
	/* The sidecar counts it until it has answered it, late as that is. */
	CHECK(questions.open_count == 15 && questions.unanswered == 16);
	CHECK(!answer(CDC_ANSWER_WITHIN, 1, CDC_TOKEN_RESULT, ""));
	CHECK(questions.unanswered == 15);
	CHECK(look(CDC_ANSWER_WITHIN, CDC_ABOUT_TOKEN, 0) == CIDECAR_UNAVAILABLE);
	CHECK(look(CDC_ANSWER_WITHIN, CDC_ABOUT_TOKEN, 0) == CIDECAR_PENDING);
	/* One that was never sent is none to the sidecar. */
	CHECK(questions.unanswered == 16);
	CHECK(cdc_questions_tick(&questions, 3 * CDC_ANSWER_WITHIN, &next));
	CHECK(questions.open_count == 0 && questions.unanswered == 15);
	CHECK(look(3 * CDC_ANSWER_WITHIN, CDC_ABOUT_TOKEN, 77) == CIDECAR_PENDING);
	CHECK(cdc_questions_lost(&questions) && questions.open_count == 0);
	CHECK(questions.unanswered == 0);
	CHECK(!cdc_questions_lost(&questions));
	CHECK(look(CDC_ANSWER_WITHIN, CDC_ABOUT_TOKEN, 5) == CIDECAR_UNAVAILABLE);

	/* A flood of CIDs takes the place of old answers, and of no question that is open. */
	begin();
	for (int i = 0; i < 100000; i++) {
		uint8_t cid[12] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
		struct cdc_octets octets = {cid, sizeof(cid)};
		enum cidecar_answer said;
		said = cdc_questions_look(&questions, i, true, CDC_ABOUT_OWN, octets, NULL);
		CHECK(said == CIDECAR_PENDING && questions.open_count <= 16);
		const struct cdc_question *sent = cdc_questions_unsent(&questions);
		CHECK(sent != NULL && memcmp(sent->cid, cid, 12) == 0);
		if (i >= 8) CHECK(answer(i, sent->number - 8, CDC_OWN_RESULT, ""));
	}
	/* CIDs that cannot be. */
	struct cdc_octets none = {0};
	CHECK(cdc_questions_look(&questions, 0, true, CDC_ABOUT_OWN, none, NULL) == CIDECAR_NO);
	uint8_t long_cid[21] = {0};
	struct cdc_octets too_long = {long_cid, sizeof(long_cid)};
	CHECK(cdc_questions_look(&questions, 0, true, CDC_ABOUT_OWN, too_long, NULL) == CIDECAR_NO);
}
