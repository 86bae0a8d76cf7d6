/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t') at++;
	return at;
}

/* The end of the string that begins at the quote. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '\0' && *at != '"'; at++) {
		if (*at == '\\' && at[1] != '\0') at++;
	}
	return *at == '"' ? at + 1 : at;
}

const char *json_member(const char *json, const char *name)
{
	int depth = 0;
	size_t length = strlen(name);
	for (const char *at = json; *at != '\0';) {
		if (*at != '"') {
			depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
			at++;
			continue;
		}
		const char *end = skip_string(at);
		const char *after = skip_space(end);
		bool same = (size_t)(end - at) == length + 2 && memcmp(at + 1, name, length) == 0;
		if (depth == 1 && *after == ':' && same) return skip_space(after + 1);
		at = end;
	}
	return NULL;
}

bool json_text(const char *json, const char *name, char *text, size_t room)
{
	const char *at = json_member(json, name);
	if (at == NULL || *at != '"') return false;
	size_t length = (size_t)(skip_string(at) - at) - 2;
	if (length >= room) return false;
	memcpy(text, at + 1, length);
	text[length] = '\0';
	return true;
}

int64_t json_number(const char *json, const char *name, int64_t otherwise)
{
	const char *at = json_member(json, name);
	return at == NULL ? otherwise : strtoll(at, NULL, 10);
}

bool json_is_false(const char *json, const char *name)
{
	const char *at = json_member(json, name);
	return at != NULL && strncmp(at, "false", 5) == 0;
}

const char *json_next_pair(const char *at, uint64_t *name, uint64_t *value)
{
	char *end;
	while (*at != '"' && *at != '}' && *at != '\0') at++;
	if (*at != '"') return NULL;
	*name = strtoull(at + 1, &end, 10);
	at = strchr(end, ':');
	if (at == NULL) return NULL;
	*value = strtoull(at + 1, &end, 10);
	return end;
}

void json_write_text(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') putc('\\', out);
		putc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
	putc('"', out);
}

void json_write_base64(FILE *out, const uint8_t *octets, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	putc('"', out);
	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t bits = (uint32_t)octets[i] << 16;
		if (left > 1) bits |= (uint32_t)octets[i + 1] << 8;
		if (left > 2) bits |= octets[i + 2];
		putc(digits[bits >> 18], out);
		putc(digits[bits >> 12 & 63], out);
		putc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
		putc(left > 2 ? digits[bits & 63] : '=', out);
	}
	putc('"', out);
}
