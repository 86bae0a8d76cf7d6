/* SPDX-License-Identifier: Apache-2.0 */
/* What a session knows and decides, message by message, by a clock of the test. Long because all of
 * it shares the sidecar that is written here. */
#include <errno.h>

#include "../src/session.h"
#include "test.h"

static struct cdc_session session;
static int64_t now;
static int64_t coarse;
static struct cidecar_held held[CIDECAR_MAX_HELD + 1];
static size_t held_count;
static uint8_t request[CDC_MAX_REQUEST];

static int64_t read_now(void)
{
	return now;
}

static int64_t read_coarse(void)
{
	return coarse;
}

static size_t say_held(void *user, struct cidecar_held all[CIDECAR_MAX_HELD])
{
	(void)user;
	memcpy(all, held, held_count * sizeof(held[0]));
	return held_count;
}

static void begin(uint32_t high_water)
{
	struct cidecar_options options = {
		.socket = "s", .high_water = high_water, .held = say_held};
	CHECK(cdc_session_init(&session, &options) == 0);
	session.now = read_now;
	session.coarse = read_coarse;
	held_count = 0;
	cdc_session_begin(&session);
}

static void end(void)
{
	cdc_session_free(&session);
}

struct minting {
	uint64_t number, generation;
	bool keeps, unroutable;
};

static struct cdc_octets written(struct cdc_writer *writer)
{
	return (struct cdc_octets){writer->at, writer->length};
}

static struct cdc_octets minting_of(struct minting minting, uint8_t octets[64])
{
	struct cdc_writer part = {.at = octets, .room = 64};
	cdc_write_varint(&part, 1, minting.number);
	cdc_write_varint(&part, 2, minting.generation);
	cdc_write_varint(&part, 3, !minting.keeps);
	cdc_write_varint(&part, 5, !minting.unroutable);
	return written(&part);
}

static bool receive(uint32_t field, struct cdc_octets part)
{
	static uint8_t octets[1 << 20];
	struct cdc_writer whole = {.at = octets, .room = sizeof(octets)};
	cdc_write_bytes(&whole, field, part);
	return cdc_session_receive(&session, written(&whole));
}

static bool hello(uint64_t generation, uint32_t cid_length, uint32_t lifetime_ms)
{
	uint8_t octets[128];
	uint8_t minting[64];
	struct cdc_writer part = {.at = octets, .room = sizeof(octets)};
	cdc_write_varint(&part, 1, cid_length);
	cdc_write_bytes(&part, 2, minting_of((struct minting){1, generation, 0, 0}, minting));
	cdc_write_varint(&part, 3, lifetime_ms);
	return receive(1, written(&part));
}

static bool mint(struct minting minting)
{
	uint8_t octets[64];
	return receive(3, minting_of(minting, octets));
}

struct lie {
	int octets, tokens;
	uint32_t length;
};

static bool batch_with(uint64_t generation, uint32_t count, bool routable, struct lie lie)
{
	static uint8_t cids[1 << 18];
	static uint8_t octets[1 << 19];
	uint32_t length = lie.length == 0 ? 12 : lie.length;
	size_t cid_octets = (size_t)((int)(count * length) + lie.octets);
	size_t token_octets = (size_t)((int)(count * CIDECAR_TOKEN) + lie.tokens);
	for (uint32_t i = 0; i < count && i < 1000; i++) cids[i * length + 11] = (uint8_t)i;
	struct cdc_writer part = {.at = octets, .room = sizeof(octets)};
	cdc_write_bytes(&part, 1, (struct cdc_octets){cids, cid_octets});
	cdc_write_bytes(&part, 2, (struct cdc_octets){cids, token_octets});
	cdc_write_varint(&part, 3, count);
	cdc_write_varint(&part, 4, length);
	cdc_write_varint(&part, 6, generation);
	cdc_write_varint(&part, 7, routable);
	return receive(2, written(&part));
}

static bool batch(uint64_t generation, uint32_t count, bool routable)
{
	return batch_with(generation, count, routable, (struct lie){0});
}

static bool reissue(uint64_t through)
{
	uint8_t octets[16];
	struct cdc_writer part = {.at = octets, .room = sizeof(octets)};
	cdc_write_varint(&part, 1, through);
	return receive(4, written(&part));
}

static bool alive(void)
{
	return receive(5, (struct cdc_octets){0});
}

/* The value of a field of the next request; -1 where it is not there. */
static int64_t said(size_t length, uint32_t number)
{
	struct cdc_reader reader = cdc_read((struct cdc_octets){request, length});
	struct cdc_field field;
	int64_t value = -1;
	while (cdc_next_field(&reader, &field)) {
		if (field.number != number) continue;
		value = (int)field.type == CDC_BYTES ? (int64_t)field.octets.length
						     : (int64_t)field.value;
	}
	CHECK(!reader.broken);
	return value;
}

static bool takes(bool routable)
{
	struct cidecar_cid cid;
	CHECK(cdc_session_take(&session, &cid) == 0);
	return cid.routable == routable && cid.length == 12;
}

/* Whether an event came since the last call; all others are forgotten. */
static bool came(enum cidecar_event_type type)
{
	struct cidecar_event event;
	bool found = false;
	while (cdc_events_next(&session.events, &event)) found = found || event.type == type;
	return found;
}

static void test_options(void)
{
	uint8_t use[16] = {0};
	struct cdc_session made;
	const struct cidecar_options bad[] = {
		{.high_water = 65537},
		{.high_water = 10, .low_water = 11},
		{.client_name = "a\nb"},
		{.client_name = "0123456789012345678901234567890123456789012345678901234567890123"
				"x"},
		{.server_use = use, .server_use_length = 15},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(cdc_session_init(&made, &bad[i]) == -EINVAL);
	}
}

void test_session(void)
{
	struct cidecar_cid cid;
	test_options();
	begin(64);
	/* Nothing is given before the length is known, and the first message says who we are. */
	CHECK(cdc_session_take(&session, &cid) == -EAGAIN);
	size_t length = cdc_session_say(&session, request);
	CHECK(said(length, 1) > 0 && said(length, 2) == -1 && said(length, 3) == -1);
	CHECK(!cdc_session_wants_to_say(&session));
	CHECK(hello(7, 12, 60000) && came(CIDECAR_CONNECTED));
	/* Credit, held and the acknowledgement go in one message, and open is not said again. */
	length = cdc_session_say(&session, request);
	CHECK(said(length, 2) == 64 && said(length, 3) == 0 && said(length, 4) == 1);
	CHECK(said(length, 1) == -1);
	CHECK(takes(false) && came(CIDECAR_DRY));
	CHECK(batch(7, 40, true) && came(CIDECAR_RECOVERED));
	CHECK(batch(7, 24, true) && session.pool.count == 64 && session.outstanding == 0);

	/* It asks below low water, for all the room there is, and not before. */
	for (int i = 0; i < 32; i++) CHECK(takes(true));
	CHECK(!cdc_session_wants_to_say(&session));
	CHECK(takes(true) && cdc_session_wants_to_say(&session));
	CHECK(said(cdc_session_say(&session, request), 2) == 33);
	CHECK(takes(true) && !cdc_session_wants_to_say(&session));

	/* A change: what was there is void, also what comes of the earlier generation. */
	CHECK(mint((struct minting){2, 8, false, false}) && session.pool.count == 0);
	CHECK(batch(7, 5, true) && session.pool.count == 0);
	length = cdc_session_say(&session, request);
	CHECK(said(length, 4) == 2 && said(length, 2) == 64 - 33 + 5);
	CHECK(reissue(7) && !came(CIDECAR_REISSUE));
	CHECK(batch(8, 5, true) && came(CIDECAR_REISSUE));
	CHECK(reissue(7) && batch(8, 5, true) && !came(CIDECAR_REISSUE));
	/* Without makes_void all stays. */
	CHECK(mint((struct minting){3, 8, true, false}) && session.pool.count == 10);
	CHECK(cdc_session_say(&session, request) == 0);
	/* 0b111 CIDs go at a change, routable ones of the same generation stay. */
	CHECK(batch(8, 3, false) && session.pool.count == 13);
	CHECK(mint((struct minting){4, 8, false, false}) && session.pool.count == 10);

	/* What was asked for on a lost Session is asked for again. */
	cdc_session_lost(&session, "why", EPIPE);
	CHECK(strcmp(session.reason, "why") == 0 && session.error == EPIPE);
	CHECK(came(CIDECAR_DISCONNECTED) && session.outstanding == 0);
	CHECK(takes(true) && cdc_session_say(&session, request) == 0);
	cdc_session_begin(&session);
	CHECK(said(cdc_session_say(&session, request), 1) > 0);
	cdc_session_lost(&session, "why", 0);
	CHECK(came(CIDECAR_TROUBLE));
	cdc_session_lost(&session, "why", 0);
	CHECK(!came(CIDECAR_TROUBLE));
	cdc_session_begin(&session);
	cdc_session_say(&session, request);
	CHECK(hello(8, 12, 60000) && session.pool.count == 9 && session.reason[0] == '\0');
	CHECK(said(cdc_session_say(&session, request), 2) == 55);
	end();
}

static void refuses(bool good, const char *why)
{
	CHECK(!good && strstr(session.reason, why) != NULL && came(CIDECAR_TROUBLE));
	end();
}

static void greeted(void)
{
	begin(64);
	cdc_session_say(&session, request);
	CHECK(hello(1, 12, 0));
	cdc_session_say(&session, request);
}

static void test_lies(void)
{
	begin(64);
	refuses(alive(), "no hello");
	greeted();
	refuses(hello(1, 12, 0), "no hello");
	greeted();
	refuses(batch(1, 65, true), "a batch of 65 CIDs came where 64 were asked for");
	greeted();
	refuses(batch(1, 0, true), "a batch of 0");
	greeted();
	refuses(batch_with(1, 4, true, (struct lie){.octets = 1}), "length that it says");
	greeted();
	refuses(batch_with(1, 4, true, (struct lie){.octets = -1}), "length that it says");
	greeted();
	refuses(batch_with(1, 4, true, (struct lie){.tokens = -16}), "length that it says");
	greeted();
	refuses(batch_with(1, 4, true, (struct lie){.length = 13}), "restart the server");
	greeted();
	refuses(receive(2, (struct cdc_octets){(const uint8_t *)"\x08", 1}), "no message");
	for (uint32_t length = 0; length < 300; length += 7) {
		begin(64);
		bool good = length >= 8 && length <= 20;
		CHECK(hello(1, length, 0) == good && session.connected == good);
		end();
	}
	/* A hello without a Minting. */
	begin(64);
	refuses(receive(1, (struct cdc_octets){(const uint8_t *)"\x08\x0c", 2}), "what is minted");
	/* A count that overflows with the length. */
	greeted();
	static const uint8_t overflow[] = {0x18, 0x80, 0x80, 0x80, 0x80, 0x04, 0x20, 0x0c};
	refuses(receive(2, (struct cdc_octets){overflow, sizeof(overflow)}), "length that it says");
}

static void test_freshness(void)
{
	now = coarse = 1000 * CDC_SECOND;
	begin(64);
	cdc_session_say(&session, request);
	CHECK(hello(1, 12, 1000) && batch(1, 64, true) && takes(true));
	CHECK(cdc_session_tick(&session) == now + CDC_SECOND + 1 ||
		cdc_session_tick(&session) == session.held_at + CDC_HELD_EVERY);
	now += CDC_SECOND;
	coarse += 1;
	CHECK(takes(true));
	/* A sleep of the machine, in which the cheap clock stands still but for its next step. */
	now += 1;
	coarse += 1;
	CHECK(takes(false) && came(CIDECAR_STALE));
	CHECK(takes(false) && !came(CIDECAR_STALE) && session.pool.count == 62);
	/* No order is passed on meanwhile, and none is lost. */
	cdc_orders_take(&session.orders, (struct cdc_order){0, 5});
	CHECK(alive() && came(CIDECAR_RECOVERED) && takes(true));
	now += 3 * CDC_SECOND;
	cdc_session_tick(&session);
	CHECK(came(CIDECAR_STALE) && session.stale);
	/* The lifetime of the newest hello counts; 0 is no limit. */
	cdc_session_lost(&session, NULL, 0);
	cdc_session_begin(&session);
	CHECK(hello(1, 12, 0) && takes(true));
	now += 1000000 * CDC_SECOND;
	coarse++;
	CHECK(takes(true));
	end();
}

static void test_held(void)
{
	now = 0;
	greeted();
	held_count = 3;
	held[0] = (struct cidecar_held){1, 5};
	held[1] = (struct cidecar_held){9, 2}; /* above the present: from before a loss */
	held[2] = (struct cidecar_held){1, 3};
	now += CDC_HELD_EVERY - 1;
	CHECK(cdc_session_tick(&session) <= CDC_HELD_EVERY && !cdc_session_wants_to_say(&session));
	now += 1;
	cdc_session_tick(&session);
	CHECK(said(cdc_session_say(&session, request), 3) == 10);
	CHECK(session.said_count == 2);
	CHECK(session.said[0].generation == 0 && session.said[0].connections == 2);
	CHECK(session.said[1].generation == 1 && session.said[1].connections == 8);
	/* The same is not said again, and what went away is. */
	now += CDC_HELD_EVERY;
	cdc_session_tick(&session);
	CHECK(!cdc_session_wants_to_say(&session));
	held_count = 1;
	now += CDC_HELD_EVERY;
	cdc_session_tick(&session);
	CHECK(said(cdc_session_say(&session, request), 3) == 6);
	/* With none of an earlier generation, changes are no news. */
	held[0].connections = 6;
	now += CDC_HELD_EVERY;
	cdc_session_tick(&session);
	CHECK(!cdc_session_wants_to_say(&session));
	/* 64 generations, and no more, are said. */
	for (size_t i = 0; i <= CIDECAR_MAX_HELD; i++) held[i] = (struct cidecar_held){i + 1, 1};
	held_count = CIDECAR_MAX_HELD;
	CHECK(mint((struct minting){2, 1000, false, false}));
	CHECK(said(cdc_session_say(&session, request), 3) == CIDECAR_MAX_HELD * 6);
	end();
}

/* The generation of the CID that is taken now. */
static uint64_t taken_generation(void)
{
	struct cidecar_cid cid;
	CHECK(cdc_session_take(&session, &cid) == 0 && cid.routable);
	return cid.generation;
}

/* The highest generation of the next order. */
static uint64_t ordered(void)
{
	struct cidecar_event event = {0};
	while (event.type != CIDECAR_REISSUE) CHECK(cdc_events_next(&session.events, &event));
	return event.through_generation;
}

/* How many connections are said to be of these generations of the sidecar. */
static bool says_held(uint64_t first, uint64_t second)
{
	cdc_session_say(&session, request);
	return session.said_count == 2 && session.said[0].generation == first &&
	       session.said[1].generation == second;
}

static void test_anew(void)
{
	greeted();
	CHECK(mint((struct minting){2, 2000, false, false}) && batch(2000, 3, true));
	uint64_t old = taken_generation();
	CHECK(old == 2000);
	cdc_session_lost(&session, NULL, 0);
	cdc_session_begin(&session);
	/* The sidecar lost its state: a lower generation, which is a higher one to the server. */
	CHECK(hello(1999, 12, 0) && session.pool.count == 0 && session.generation == 1999);
	CHECK(batch(1999, 3, true));
	uint64_t first = taken_generation();
	CHECK(first > old && cdc_orders_oldest(&session.orders) == first);
	/* It counts up to the number from before, which is no present one for that. */
	held[0] = (struct cidecar_held){old, 1};
	held[1] = (struct cidecar_held){first, 1};
	held_count = 2;
	CHECK(mint((struct minting){2, 2000, false, false}) && says_held(0, 1999));
	CHECK(batch(2000, 9, true) && reissue(1999));
	uint64_t second = taken_generation();
	uint64_t through = ordered();
	CHECK(second > first && through >= first && through < second);
	/* A second order, of which the first says nothing. */
	CHECK(mint((struct minting){3, 2001, false, false}) && batch(2001, 9, true));
	CHECK(reissue(2000) && ordered() >= second && taken_generation() > second);
	end();
}

void test_supply(void)
{
	test_lies();
	test_freshness();
	test_held();
	test_anew();
	/* A pool goes round its ring for long. */
	greeted();
	for (int i = 0; i < 1000; i++) {
		CHECK(session.outstanding == 0 || batch(1, session.outstanding, true));
		for (int j = 0; j < 29; j++) CHECK(takes(true));
		cdc_session_say(&session, request);
	}
	CHECK(session.taken == 29000 && session.made == 0);
	end();
}
