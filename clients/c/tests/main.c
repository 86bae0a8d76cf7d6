/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

size_t hex(const char *digits, uint8_t *octets)
{
	size_t length = strlen(digits) / 2;
	for (size_t i = 0; i < length; i++) {
		const char octet[] = {digits[2 * i], digits[2 * i + 1], '\0'};
		octets[i] = (uint8_t)strtoul(octet, NULL, 16);
	}
	return length;
}

int main(void)
{
	test_protobuf();
	test_messages();
	test_crypto();
	test_failover();
	test_minter();
	test_orders();
	test_pace();
	test_events();
	test_questions();
	test_pool();
	test_session();
	test_leases();
	test_supply();
	test_grpc_status();
	test_call();
	test_client();
	test_spread();
	printf("all tests passed\n");
	return 0;
}
