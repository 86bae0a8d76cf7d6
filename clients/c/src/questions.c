/* SPDX-License-Identifier: Apache-2.0 */
#include "questions.h"

#include <string.h>

void cdc_questions_init(struct cdc_questions *questions, const uint8_t key[16])
{
	memset(questions, 0, sizeof(*questions));
	cdc_siphash_init(&questions->hash, key);
}

static bool is_open(const struct cdc_question *question)
{
	return question->state == CDC_UNSENT || question->state == CDC_SENT;
}

static bool is_old(const struct cdc_question *question, int64_t now)
{
	return !is_open(question) && now - question->at >= CDC_ANSWER_KEPT;
}

static struct cdc_question *bucket_of(struct cdc_questions *questions, struct cdc_octets cid)
{
	return questions->buckets[cdc_siphash(&questions->hash, cid.at, cid.length) % CDC_BUCKETS];
}

static struct cdc_question *find(
	struct cdc_question *bucket, int64_t now, enum cdc_about about, struct cdc_octets cid)
{
	for (struct cdc_question *each = bucket; each < bucket + CDC_WAYS; each++) {
		if (each->state == CDC_FREE || is_old(each, now)) continue;
		if (each->about != about || each->length != cid.length) continue;
		if (memcmp(each->cid, cid.at, cid.length) == 0) return each;
	}
	return NULL;
}

/* A place for another question; the oldest answer goes. NULL where all wait for answers. */
static struct cdc_question *make_room(struct cdc_question *bucket)
{
	struct cdc_question *oldest = NULL;
	for (struct cdc_question *each = bucket; each < bucket + CDC_WAYS; each++) {
		if (each->state == CDC_FREE) return each;
		if (is_open(each)) continue;
		if (oldest == NULL || each->at < oldest->at) oldest = each;
	}
	return oldest;
}

static enum cidecar_answer ask(struct cdc_questions *questions, struct cdc_question *bucket,
	int64_t now, enum cdc_about about, struct cdc_octets cid)
{
	struct cdc_question *question = make_room(bucket);
	if (questions->open_count == CDC_OPEN_QUESTIONS || question == NULL) {
		return CIDECAR_UNAVAILABLE;
	}
	questions->numbers++;
	questions->unanswered++;
	*question = (struct cdc_question){
		.state = CDC_UNSENT,
		.about = about,
		.length = (uint8_t)cid.length,
		.number = questions->numbers,
		.at = now,
	};
	memcpy(question->cid, cid.at, cid.length);
	questions->open[questions->open_count] = question;
	questions->open_count++;
	return CIDECAR_PENDING;
}

enum cidecar_answer cdc_questions_look(struct cdc_questions *questions, int64_t now, bool may_ask,
	enum cdc_about about, struct cdc_octets cid, uint8_t token[CIDECAR_TOKEN])
{
	if (cid.length == 0 || cid.length > CIDECAR_MAX_CID) return CIDECAR_NO;
	struct cdc_question *bucket = bucket_of(questions, cid);
	struct cdc_question *known = find(bucket, now, about, cid);
	if (known != NULL && is_open(known)) return CIDECAR_PENDING;
	if (known != NULL && known->state == CDC_FAILED) {
		known->state = CDC_FREE;
		return CIDECAR_UNAVAILABLE;
	}
	if (known == NULL) {
		return may_ask ? ask(questions, bucket, now, about, cid) : CIDECAR_UNAVAILABLE;
	}
	if (known->yes && token != NULL) memcpy(token, known->token, CIDECAR_TOKEN);
	return known->yes ? CIDECAR_YES : CIDECAR_NO;
}

const struct cdc_question *cdc_questions_unsent(struct cdc_questions *questions)
{
	for (unsigned i = 0; i < questions->open_count; i++) {
		if (questions->open[i]->state != CDC_UNSENT) continue;
		questions->open[i]->state = CDC_SENT;
		return questions->open[i];
	}
	return NULL;
}

static void end(struct cdc_questions *questions, unsigned at, int64_t now, int state)
{
	questions->open[at]->state = state;
	questions->open[at]->at = now;
	questions->open_count--;
	questions->open[at] = questions->open[questions->open_count];
}

/* Whether the sidecar says that the CID is none for which this server may answer. */
static bool is_no(struct cdc_octets code)
{
	static const char *const codes[] = {
		"FOREIGN_CID",
		"CONFIG_UNKNOWN",
		"CID_UNKNOWN",
		"ARGUMENT_INVALID",
	};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		size_t length = strlen(codes[i]);
		if (code.length == length && memcmp(code.at, codes[i], length) == 0) return true;
	}
	return false;
}

static int result_of(struct cdc_question *question, const struct cdc_answer *answer)
{
	if (question->about == CDC_ABOUT_TOKEN) {
		if (answer->result == CDC_TOKEN_RESULT && answer->token.length == CIDECAR_TOKEN) {
			memcpy(question->token, answer->token.at, CIDECAR_TOKEN);
			question->yes = true;
			return CDC_ANSWERED;
		}
		bool no = answer->result == CDC_REFUSAL_RESULT && is_no(answer->code);
		return no ? CDC_ANSWERED : CDC_FAILED;
	}
	if (answer->result != CDC_OWN_RESULT) return CDC_FAILED;
	question->yes = answer->own;
	return CDC_ANSWERED;
}

bool cdc_questions_answered(
	struct cdc_questions *questions, int64_t now, const struct cdc_answer *answer)
{
	if (questions->unanswered > 0) questions->unanswered--;
	for (unsigned i = 0; i < questions->open_count; i++) {
		struct cdc_question *question = questions->open[i];
		if (question->number != answer->number || question->state != CDC_SENT) continue;
		end(questions, i, now, result_of(question, answer));
		return true;
	}
	return false;
}

bool cdc_questions_tick(struct cdc_questions *questions, int64_t now, int64_t *next)
{
	bool late = false;
	for (unsigned i = questions->open_count; i-- > 0;) {
		int64_t until = questions->open[i]->at + CDC_ANSWER_WITHIN;
		if (until <= now) {
			/* It will not be sent any more. */
			bool unsent = questions->open[i]->state == CDC_UNSENT;
			if (unsent && questions->unanswered > 0) questions->unanswered--;
			end(questions, i, now, CDC_FAILED);
			late = true;
		} else if (until < *next) {
			*next = until;
		}
	}
	return late;
}

bool cdc_questions_lost(struct cdc_questions *questions)
{
	bool lost = questions->open_count > 0;
	questions->unanswered = 0;
	for (unsigned i = questions->open_count; i-- > 0;) {
		end(questions, i, questions->open[i]->at, CDC_FAILED);
	}
	return lost;
}
