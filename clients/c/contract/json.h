/* SPDX-License-Identifier: Apache-2.0 */
/* As much JSON as the commands of the contract need: one object on a line. */
#ifndef CONTRACT_JSON_H
#define CONTRACT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The text after the colon of a member of the object at `json`; NULL where it has none. */
const char *json_member(const char *json, const char *name);

/* The value as text, without escapes; false where it is no string or does not fit. */
bool json_text(const char *json, const char *name, char *text, size_t room);
int64_t json_number(const char *json, const char *name, int64_t otherwise);
bool json_is_false(const char *json, const char *name);

/* The next member of an object whose names are numbers, as of `generations`. */
const char *json_next_pair(const char *at, uint64_t *name, uint64_t *value);

void json_write_text(FILE *out, const char *text);
void json_write_base64(FILE *out, const uint8_t *octets, size_t length);

#endif
