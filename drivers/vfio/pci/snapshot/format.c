// SPDX-License-Identifier: GPL-2.0-only
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "format.h"

/* The records that the parser knows, and the header that each must have. */
static const struct {
	u32 tag;
	u32 flags;
	u64 size;	/* 0: bounded by max_data instead */
} known[] = {
	{ VFIO_SNAPSHOT_TAG_DEVICE_DATA, 0, 0 },
	{ VFIO_SNAPSHOT_TAG_IDENT, VFIO_SNAPSHOT_RECORD_F_OPTIONAL,
	  sizeof(struct vfio_snapshot_ident) },
	{ VFIO_SNAPSHOT_TAG_END, VFIO_SNAPSHOT_RECORD_F_OPTIONAL,
	  sizeof(struct vfio_snapshot_end) },
};

/**
 * snapshot_record_fill - fill the header of a record
 * @header: the header
 * @tag: VFIO_SNAPSHOT_TAG_*
 * @size: bytes of payload, not 0
 */
void snapshot_record_fill(struct vfio_snapshot_record *header, u32 tag, u64 size)
{
	header->size = cpu_to_le64(size);
	/* Other drivers may skip our records, but not the state itself. */
	header->flags = tag == VFIO_SNAPSHOT_TAG_DEVICE_DATA ? 0 :
			cpu_to_le32(VFIO_SNAPSHOT_RECORD_F_OPTIONAL);
	header->tag = cpu_to_le32(tag);
}

/**
 * snapshot_ident_fill - fill the payload of an IDENT record
 * @ident: the payload
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @backend: name of the back-end; at most VFIO_SNAPSHOT_BACKEND_LEN - 1 bytes of it
 */
void snapshot_ident_fill(struct vfio_snapshot_ident *ident, u16 vendor, u16 device,
			 const char *backend)
{
	size_t i;

	memset(ident, 0, sizeof(*ident));
	ident->version = cpu_to_le16(VFIO_SNAPSHOT_IDENT_VERSION);
	ident->vendor = cpu_to_le16(vendor);
	ident->device = cpu_to_le16(device);
	for (i = 0; i < sizeof(ident->backend) - 1 && backend[i]; i++)
		ident->backend[i] = backend[i];
}

/**
 * snapshot_tally_add - count one complete record
 * @tally: tally of the stream
 * @size: bytes of payload of the record
 */
void snapshot_tally_add(struct snapshot_tally *tally, u64 size)
{
	tally->records++;
	tally->length += sizeof(struct vfio_snapshot_record) + size;
}

static void want(struct snapshot_parser *parser, enum snapshot_want what, u64 room)
{
	parser->want = what;
	parser->room = room;
}

static void want_header(struct snapshot_parser *parser)
{
	want(parser, SNAPSHOT_WANT_BYTES, sizeof(parser->header));
	parser->into = (u8 *)&parser->header;
	parser->in_header = true;
}

/**
 * snapshot_parser_init - start to parse a new stream
 * @parser: the parser
 * @max_data: largest record of device data to accept, in bytes
 * @ident: the only IDENT record to accept
 */
void snapshot_parser_init(struct snapshot_parser *parser, u64 max_data,
			  const struct vfio_snapshot_ident *ident)
{
	memset(parser, 0, sizeof(*parser));
	parser->max_data = max_data;
	parser->ident = *ident;
	want_header(parser);
}

static int take_data_header(struct snapshot_parser *parser)
{
	if (parser->size > parser->max_data)
		return -EFBIG;
	want(parser, SNAPSHOT_WANT_DATA, parser->size);
	return 0;
}

static int take_skip_header(struct snapshot_parser *parser, u32 flags)
{
	if (!(flags & VFIO_SNAPSHOT_RECORD_F_OPTIONAL))
		return -EOPNOTSUPP;
	if (parser->size > SNAPSHOT_SKIP_MAX)
		return -EFBIG;
	want(parser, SNAPSHOT_WANT_SKIP, parser->size);
	return 0;
}

static int take_header(struct snapshot_parser *parser)
{
	u32 flags = le32_to_cpu(parser->header.flags);
	unsigned int i;

	parser->in_header = false;
	parser->size = le64_to_cpu(parser->header.size);
	parser->tag = le32_to_cpu(parser->header.tag);

	if (!parser->size || flags & ~VFIO_SNAPSHOT_RECORD_F_OPTIONAL)
		return -EINVAL;
	if (parser->have_end)
		return -EBADMSG;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].tag == parser->tag)
			break;
	if (i == ARRAY_SIZE(known))
		return take_skip_header(parser, flags);

	if (flags != known[i].flags ||
	    (known[i].size && parser->size != known[i].size))
		return -EINVAL;
	if (!known[i].size)
		return take_data_header(parser);

	want(parser, SNAPSHOT_WANT_BYTES, parser->size);
	parser->into = (u8 *)&parser->body;
	return 0;
}

static int take_ident(struct snapshot_parser *parser)
{
	if (parser->tally.records)
		return -EBADMSG;
	if (memcmp(&parser->body.ident, &parser->ident, sizeof(parser->ident)))
		return -EXDEV;
	parser->have_ident = true;
	return 0;
}

static int take_end(struct snapshot_parser *parser)
{
	if (!parser->have_ident || !parser->loads ||
	    le64_to_cpu(parser->body.end.records) != parser->tally.records ||
	    le64_to_cpu(parser->body.end.length) != parser->tally.length)
		return -EBADMSG;
	parser->have_end = true;
	return 0;
}

static int take_body(struct snapshot_parser *parser)
{
	int err = parser->tag == VFIO_SNAPSHOT_TAG_IDENT ? take_ident(parser) :
							   take_end(parser);

	if (!err) {
		snapshot_tally_add(&parser->tally, parser->size);
		want_header(parser);
	}
	return err;
}

/**
 * snapshot_parser_feed - the next bytes are where the parser wants them
 * @parser: the parser
 * @bytes: how many; at most the parser's @room, may be 0
 *
 * Do not call it again after an error.
 *
 * Return: 0 with new @want and @room in the parser, or
 * -EINVAL for an invalid header (size 0, unknown flag bits, a known record of
 * the wrong size or with the wrong flags),
 * -EFBIG for a record larger than the limits,
 * -EOPNOTSUPP for an unknown record that is not optional,
 * -EXDEV for the stream of another kind of device,
 * -EBADMSG for records out of order, or an END record that does not match.
 */
int snapshot_parser_feed(struct snapshot_parser *parser, u64 bytes)
{
	parser->room -= bytes;
	if (parser->want == SNAPSHOT_WANT_BYTES)
		parser->into += bytes;
	if (parser->room)
		return 0;

	switch (parser->want) {
	case SNAPSHOT_WANT_BYTES:
		return parser->in_header ? take_header(parser) : take_body(parser);
	case SNAPSHOT_WANT_SKIP:
		snapshot_tally_add(&parser->tally, parser->size);
		want_header(parser);
		return 0;
	case SNAPSHOT_WANT_DATA:
		want(parser, SNAPSHOT_WANT_LOAD, 0);
		return 0;
	case SNAPSHOT_WANT_LOAD:
		return 0;
	}
	return -EINVAL;
}

/**
 * snapshot_parser_loaded - the device has loaded the record of device data
 * @parser: the parser, with SNAPSHOT_WANT_LOAD
 */
void snapshot_parser_loaded(struct snapshot_parser *parser)
{
	parser->loads++;
	snapshot_tally_add(&parser->tally, parser->size);
	want_header(parser);
}

/**
 * snapshot_parser_finish - check that the stream is complete
 * @parser: the parser
 *
 * Return: 0, or -ENODATA if something is missing: the rest of a record, the
 * device data, or the END record of a stream that began with IDENT.
 */
int snapshot_parser_finish(const struct snapshot_parser *parser)
{
	bool between = parser->in_header && parser->room == sizeof(parser->header);

	if (!between || !parser->loads || (parser->have_ident && !parser->have_end))
		return -ENODATA;
	return 0;
}
