/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON, so that the command needs no library but libc.
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

/* The key is NULL in an array and at the top level. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, int64_t value);
void json_ms(struct json *j, const char *key, int64_t ns);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif /* JSON_H */
