/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program where the condition does not hold. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (condition) break;                                                              \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                    \
		exit(1);                                                                           \
	} while (0)

/* Reads hexadecimal digits; returns how many octets. */
size_t hex(const char *digits, uint8_t *octets);

void test_protobuf(void);
void test_messages(void);
void test_crypto(void);
void test_failover(void);
void test_minter(void);
void test_leases(void);
void test_orders(void);
void test_pace(void);
void test_events(void);
void test_questions(void);
void test_pool(void);
void test_session(void);
void test_supply(void);
void test_grpc_status(void);
void test_call(void);
void test_client(void);
void test_spread(void);

#endif
