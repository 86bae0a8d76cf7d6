/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/grpc_status.h"
#include "test.h"

static void header(struct cdc_grpc_status *status, const char *name, const char *value)
{
	cdc_grpc_status_header(status, (struct cdc_octets){(const uint8_t *)name, strlen(name)},
		(struct cdc_octets){(const uint8_t *)value, strlen(value)});
}

static bool says(const struct cdc_grpc_status *status, const char *part)
{
	char text[300];
	return cdc_grpc_status_text(status, "Session", text, sizeof(text)) &&
	       strstr(text, part) != NULL;
}

void test_grpc_status(void)
{
	struct cdc_grpc_status status;
	char text[300];
	cdc_grpc_status_init(&status);
	CHECK(says(&status, "without a status"));
	header(&status, ":status", "200");
	header(&status, "grpc-status", "0");
	CHECK(!cdc_grpc_status_text(&status, "Session", text, sizeof(text)));
	header(&status, "grpc-status", "8");
	header(&status, "grpc-message", "no%20room 100% %zz%0a%4");
	CHECK(says(&status, "no room 100% %zz %4 (status 8)"));
	header(&status, "grpc-message", "at the end: %41");
	CHECK(says(&status, "at the end: A (status 8)"));
	/* google.rpc.Status{8, details: Any{value: ErrorInfo{reason: "CREDIT_EXCEEDED"}}} */
	header(&status, "grpc-status-details-bin", "CAgaExIRCg9DUkVESVRfRVhDRUVERUQ");
	CHECK(says(&status, "(status 8, CREDIT_EXCEEDED)"));
	header(&status, "grpc-status-details-bin", "CAgaExIRCg9DUkVESVRfRVhDRUVERUQ=");
	CHECK(strcmp(status.reason, "CREDIT_EXCEEDED") == 0);

	/* A later release's or a liar's details say nothing, and harm nobody. */
	cdc_grpc_status_init(&status);
	header(&status, "grpc-status-details-bin", "!!!");
	header(&status, "grpc-status-details-bin", "CAga");
	header(&status, "grpc-status-details-bin", "CAgaBRIDCgEK");
	CHECK(status.reason[0] == '\0');
	char *longest = malloc(100000);
	memset(longest, 'A', 99999);
	longest[99999] = '\0';
	header(&status, "grpc-status-details-bin", longest);
	header(&status, "grpc-message", longest);
	header(&status, "grpc-status", longest);
	header(&status, longest, longest);
	CHECK(strlen(status.message) == sizeof(status.message) - 1 && status.code == -1);
	free(longest);

	cdc_grpc_status_init(&status);
	header(&status, ":status", "415");
	CHECK(says(&status, "HTTP status 415"));
	cdc_grpc_status_init(&status);
	header(&status, "grpc-status", "12");
	CHECK(says(&status, "too old"));
}
