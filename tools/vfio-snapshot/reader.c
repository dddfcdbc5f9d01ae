// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/byteorder.h>

#include "reader.h"

/* Records are not kept here, so they may have any size. */
#define ANY_SIZE (1ULL << 62)

void reader_init(struct reader *r)
{
	memset(r, 0, sizeof(*r));
}

static bool want_header(const struct reader *r)
{
	return r->parser.in_header && r->parser.room == sizeof(r->parser.header);
}

/* The parser skips this record, but it is shown. */
static void note_skipped(struct reader *r, const uint8_t *data, uint64_t len)
{
	const struct snapshot_parser *p = &r->parser;
	struct reader_record *record;
	uint64_t at = p->size - p->room;

	if (p->tag != VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE || r->total_records != r->nr_records)
		return;
	record = &r->records[r->nr_records - 1];
	for (; len-- && at < sizeof(record->value); at++)
		record->value |= (uint64_t)*data++ << 8 * at;
}

static void note_record(struct reader *r)
{
	struct reader_record *record;

	r->total_records++;
	if (r->nr_records == READER_RECORDS)
		return;
	record = &r->records[r->nr_records++];
	*record = (struct reader_record){
		.at = r->bytes - sizeof(r->parser.header),
		.size = le64_to_cpu(r->parser.header.size),
		.tag = le32_to_cpu(r->parser.header.tag),
		.flags = le32_to_cpu(r->parser.header.flags),
	};
	if (record->tag == VFIO_SNAPSHOT_TAG_DEVICE_DATA && r->nr_images < READER_IMAGES) {
		record->parts = calloc(1, sizeof(*record->parts));
		r->nr_images += !!record->parts;
	}
}

static void feed(struct reader *r, const uint8_t *data, uint64_t len)
{
	struct snapshot_parser *parser = &r->parser;

	while (len && !r->err) {
		uint64_t take = len < parser->room ? len : parser->room;
		bool header = parser->in_header;

		if (parser->want == SNAPSHOT_WANT_BYTES) {
			memcpy(parser->into, data, take);
		} else if (parser->want == SNAPSHOT_WANT_DATA) {
			r->data_bytes += take;
			/* A record that was not kept has no parts to feed. */
			if (r->total_records == r->nr_records && r->nr_records &&
			    r->records[r->nr_records - 1].parts)
				parts_feed(r->records[r->nr_records - 1].parts, data, take);
		} else if (parser->want == SNAPSHOT_WANT_SKIP) {
			note_skipped(r, data, take);
		}
		r->bytes += take;
		data += take;
		len -= take;
		header = header && parser->room == take;
		r->err_at = r->bytes - (header ? sizeof(parser->header) : 0);
		/* Before the parser checks it, so that a bad record is shown, too. */
		if (header)
			note_record(r);
		r->err = snapshot_parser_feed(parser, take);
		if (!r->err && parser->want == SNAPSHOT_WANT_LOAD)
			snapshot_parser_loaded(parser);
	}
	r->bytes += len;
}

/* Give the parser the stream's own IDENT, so that it accepts any device. */
static void begin(struct reader *r)
{
	struct vfio_snapshot_record header = {};
	struct vfio_snapshot_ident ident = {};

	if (r->nr_front >= sizeof(header))
		memcpy(&header, r->front, sizeof(header));
	if (r->nr_front == sizeof(r->front) &&
	    le32_to_cpu(header.tag) == VFIO_SNAPSHOT_TAG_IDENT)
		memcpy(&ident, r->front + sizeof(header), sizeof(ident));
	snapshot_parser_init(&r->parser, ANY_SIZE, &ident);
	r->started = true;
	feed(r, r->front, r->nr_front);
}

void reader_feed(struct reader *r, const uint8_t *data, uint64_t len)
{
	while (len && !r->started) {
		r->front[r->nr_front++] = *data++;
		len--;
		if (r->nr_front == sizeof(r->front))
			begin(r);
	}
	if (len)
		feed(r, data, len);
}

int reader_finish(struct reader *r)
{
	if (!r->started)
		begin(r);
	if (!r->err) {
		r->err = snapshot_parser_finish(&r->parser);
		r->err_at = r->bytes;
	}
	return r->err;
}

static const struct vfio_snapshot_record *header_of(const struct reader *r)
{
	return &r->parser.header;
}

static void describe_end(const struct reader *r, char *text, size_t size)
{
	const struct vfio_snapshot_end *end = &r->parser.body.end;
	const struct snapshot_tally *tally = &r->parser.tally;

	if (!r->parser.have_ident)
		snprintf(text, size, "there is an END record, but the stream did not begin with IDENT");
	else if (!r->parser.loads)
		snprintf(text, size, "the END record comes before any device data");
	else
		snprintf(text, size, "the END record counts %" PRIu64 " records and %" PRIu64
			 " bytes before it, there are %" PRIu64 " and %" PRIu64,
			 (uint64_t)le64_to_cpu(end->records), (uint64_t)le64_to_cpu(end->length),
			 (uint64_t)tally->records, (uint64_t)tally->length);
}

static void describe_missing(const struct reader *r, char *text, size_t size)
{
	const struct snapshot_parser *p = &r->parser;

	if (!r->bytes)
		snprintf(text, size, "the file is empty");
	else if (p->in_header && !want_header(r))
		snprintf(text, size, "it ends in the header of a record, %" PRIu64 " bytes are missing",
			 (uint64_t)p->room);
	else if (!p->in_header)
		snprintf(text, size, "it ends in a record of %" PRIu64 " bytes, %" PRIu64 " of them are missing",
			 (uint64_t)p->size, (uint64_t)p->room);
	else if (!p->loads)
		snprintf(text, size, "it ends without device data");
	else
		snprintf(text, size, "it ends without an END record");
}

void reader_reason(const struct reader *r, int err, char *text, size_t size)
{
	uint64_t length = le64_to_cpu(header_of(r)->size);
	uint32_t flags = le32_to_cpu(header_of(r)->flags);
	uint32_t tag = le32_to_cpu(header_of(r)->tag);

	switch (err) {
	case 0:
		snprintf(text, size, "whole");
		break;
	case -ENODATA:
		describe_missing(r, text, size);
		break;
	case -EINVAL:
		if (r->parser.have_end)
			snprintf(text, size, "there are bytes after the END record");
		else if (!length)
			snprintf(text, size, "a record of size 0");
		else if (flags & ~VFIO_SNAPSHOT_RECORD_F_OPTIONAL)
			snprintf(text, size, "a record with unknown flags 0x%x", flags);
		else
			snprintf(text, size, "a record of tag 0x%08x with size %" PRIu64
				 " and flags 0x%x, which that tag does not have", tag, length, flags);
		break;
	case -EFBIG:
		snprintf(text, size, "a record of %" PRIu64 " bytes, which no driver accepts", length);
		break;
	case -EOPNOTSUPP:
		snprintf(text, size, "a record of unknown tag 0x%08x that may not be skipped", tag);
		break;
	case -EBADMSG:
		if (r->parser.have_end)
			snprintf(text, size, "there are bytes after the END record");
		else if (tag == VFIO_SNAPSHOT_TAG_IDENT)
			snprintf(text, size, "an IDENT record that is not the first record");
		else
			describe_end(r, text, size);
		break;
	case -EXDEV:
		snprintf(text, size, "a second IDENT record that differs");
		break;
	default:
		snprintf(text, size, "%s", strerror(-err));
	}
}

bool reader_ident(const struct reader *r, struct vfio_snapshot_ident *ident)
{
	*ident = r->parser.ident;
	return r->parser.have_ident;
}

void reader_free(struct reader *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_records; i++)
		parts_free(r->records[i].parts);
}
