// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "records.h"

static uint64_t get(const uint8_t *from, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return le64toh(value);
}

int records_parse(struct records *rs, const struct blob *stream)
{
	size_t at = 0;

	rs->nr = 0;
	while (at < stream->len) {
		struct record *r = &rs->r[rs->nr];

		if (rs->nr == MAX_RECORDS || stream->len - at < RECORD_HEADER)
			return -EBADMSG;
		r->at = at;
		r->size = get(stream->data + at, 8);
		r->flags = get(stream->data + at + 8, 4);
		r->tag = get(stream->data + at + 12, 4);
		at += RECORD_HEADER;
		if (r->size > stream->len - at)
			return -EBADMSG;
		at += r->size;
		rs->nr++;
	}
	return 0;
}

const struct record *records_find(const struct records *rs, uint32_t tag)
{
	unsigned int i;

	for (i = 0; i < rs->nr; i++)
		if (rs->r[i].tag == tag)
			return &rs->r[i];
	return NULL;
}

int record_add_header(struct blob *stream, uint32_t tag, uint32_t flags,
		      uint64_t size)
{
	uint64_t size_le = htole64(size);
	uint32_t flags_le = htole32(flags);
	uint32_t tag_le = htole32(tag);

	return blob_add(stream, &size_le, 8) ?:
	       blob_add(stream, &flags_le, 4) ?:
	       blob_add(stream, &tag_le, 4);
}

int record_add(struct blob *stream, uint32_t tag, uint32_t flags,
	       const void *data, size_t size)
{
	return record_add_header(stream, tag, flags, size) ?:
	       blob_add(stream, data, size);
}

int records_to_upstream(struct blob *to, const struct blob *from)
{
	struct records rs;
	unsigned int i;
	int ret;

	ret = records_parse(&rs, from);
	for (i = 0; !ret && i < rs.nr; i++)
		if (rs.r[i].tag == TAG_DATA)
			ret = blob_add(to, from->data + rs.r[i].at,
				       RECORD_HEADER + rs.r[i].size);
	return ret;
}
