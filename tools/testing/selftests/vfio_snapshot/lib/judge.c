// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "judge.h"

#define HEADER 16
#define OPTIONAL 1

enum kind { DATA, IDENT, END, OTHER };

struct reading {
	const struct judge_rules *rules;
	struct verdict v;
	uint64_t records;
	bool have_ident;
	bool have_end;
};

static uint64_t get(const uint8_t *at, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static enum kind kind_of(uint32_t tag)
{
	return !tag ? DATA : tag == 0x44494e53 ? IDENT :
	       tag == 0x444e4553 ? END : OTHER;
}

/* The errno for a record's header, or 0 */
static int judge_header(const struct reading *r, const uint8_t *header)
{
	uint64_t size = get(header, 8);
	uint32_t flags = get(header + 8, 4);
	bool optional = flags & OPTIONAL;

	if (!size || flags > OPTIONAL)
		return EINVAL;
	if (r->have_end)
		return EBADMSG;
	switch (kind_of(get(header + 12, 4))) {
	case DATA:
		return optional ? EINVAL : size > r->rules->max_data ? EFBIG : 0;
	case IDENT:
		return !optional || size != IDENT_LEN ? EINVAL : 0;
	case END:
		return !optional || size != END_LEN ? EINVAL : 0;
	case OTHER:
		break;
	}
	return !optional ? EOPNOTSUPP : size > r->rules->max_skip ? EFBIG : 0;
}

/* The errno for a whole record, or 0. @at: bytes before its payload */
static int judge_body(struct reading *r, enum kind kind, const uint8_t *body,
		      uint64_t size, size_t at)
{
	const struct judge_rules *rules = r->rules;

	switch (kind) {
	case DATA:
		if (rules->state && !r->v.unsure &&
		    (size != rules->state_len || memcmp(body, rules->state, size)))
			r->v.unsure = at + HEADER + size;
		r->v.loads++;
		r->v.loaded += size;
		return 0;
	case IDENT:
		r->have_ident = true;
		return r->records ? EBADMSG :
		       memcmp(body, rules->ident, IDENT_LEN) ? EXDEV : 0;
	case END:
		r->have_end = true;
		return r->have_ident && r->v.loads && get(body, 8) == r->records &&
		       get(body + 8, 8) == at ? 0 : EBADMSG;
	case OTHER:
		break;
	}
	return 0;
}

struct verdict judge_stream(const uint8_t *data, size_t len,
			    const struct judge_rules *rules)
{
	struct reading r = { .rules = rules };
	size_t at = 0;

	while (len - at >= HEADER) {
		uint64_t size = get(data + at, 8);

		r.v.at = at + HEADER;
		r.v.err = judge_header(&r, data + at);
		if (r.v.err)
			return r.v;
		if (len - at - HEADER < size)
			break;
		r.v.at += size;
		r.v.err = judge_body(&r, kind_of(get(data + at + 12, 4)),
				     data + at + HEADER, size, at);
		if (r.v.err)
			return r.v;
		r.records++;
		at = r.v.at;
	}
	r.v.at = len;
	if (at != len || !r.v.loads || (r.have_ident && !r.have_end))
		r.v.end = ENODATA;
	return r.v;
}
