/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A writer of JSON. The command depends on nothing but libc, and writing is
 * the small half of JSON: a library would cost more than these lines.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 16

struct json {
	FILE *out;
	unsigned int depth;
	bool filled[JSON_DEPTH];
};

/* A key is NULL in an array and at the top. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, int64_t value);
void json_ms(struct json *j, const char *key, int64_t ns);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif /* JSON_H */
