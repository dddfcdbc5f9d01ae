// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage-guided fuzzing of the stream parser (libFuzzer). The input is one
 * byte that says how the stream is cut into pieces, then the stream. The parser
 * must take it as a second, plainer reader does that sees the stream as a whole.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "format.h"

#define MAX_DATA	4096

static struct vfio_snapshot_ident ident;

#define check(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();					\
		}							\
	} while (0)

/* What the plain reader finds out about a stream. */
struct verdict {
	int err;	/* of the first bad byte */
	int end;	/* of ending here, when there was no error */
	u64 loads;
	u64 loaded;	/* bytes of device data in whole records */
};

static u64 get(const u8 *at, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static struct verdict read_plainly(const u8 *data, size_t len)
{
	struct verdict v = { 0 };
	bool have_ident = false, have_end = false;
	size_t pos = 0;
	u64 records = 0;

	while (len - pos >= 16) {
		u64 size = get(data + pos, 8);
		u32 flags = get(data + pos + 8, 4), tag = get(data + pos + 12, 4);
		bool optional = flags & 1;
		const u8 *body = data + pos + 16;

		if (!size || flags > 1)
			v.err = -EINVAL;
		else if (have_end)
			v.err = -EBADMSG;
		else if (tag == VFIO_SNAPSHOT_TAG_DEVICE_DATA)
			v.err = optional ? -EINVAL : size > MAX_DATA ? -EFBIG : 0;
		else if (tag == VFIO_SNAPSHOT_TAG_IDENT)
			v.err = !optional || size != 32 ? -EINVAL : 0;
		else if (tag == VFIO_SNAPSHOT_TAG_END)
			v.err = !optional || size != 16 ? -EINVAL : 0;
		else
			v.err = !optional ? -EOPNOTSUPP : size > SNAPSHOT_SKIP_MAX ? -EFBIG : 0;
		if (v.err)
			return v;

		if (len - pos - 16 < size) {
			v.end = -ENODATA;
			return v;
		}
		if (tag == VFIO_SNAPSHOT_TAG_IDENT) {
			v.err = records ? -EBADMSG : memcmp(body, &ident, 32) ? -EXDEV : 0;
			have_ident = true;
		} else if (tag == VFIO_SNAPSHOT_TAG_END) {
			v.err = !have_ident || !v.loads || get(body, 8) != records ||
				get(body + 8, 8) != pos ? -EBADMSG : 0;
			have_end = true;
		} else if (tag == VFIO_SNAPSHOT_TAG_DEVICE_DATA) {
			v.loads++;
			v.loaded += size;
		}
		if (v.err)
			return v;
		records++;
		pos += 16 + size;
	}
	if (pos != len || !v.loads || (have_ident && !have_end))
		v.end = -ENODATA;
	return v;
}

static struct verdict read_in_pieces(const u8 *data, size_t len, size_t piece)
{
	struct snapshot_parser parser;
	struct verdict v = { 0 };
	u64 filled = 0;

	snapshot_parser_init(&parser, MAX_DATA, &ident);
	while (len && !v.err) {
		size_t take = piece < len ? piece : len;

		check(parser.room);
		if (take > parser.room)
			take = parser.room;
		switch (parser.want) {
		case SNAPSHOT_WANT_BYTES:
			check(parser.room <= sizeof(parser.body));
			memcpy(parser.into, data, take);
			break;
		case SNAPSHOT_WANT_DATA:
			check(parser.size <= MAX_DATA);
			check(parser.size - parser.room == filled);
			filled += take;
			break;
		case SNAPSHOT_WANT_SKIP:
			check(parser.room <= SNAPSHOT_SKIP_MAX);
			break;
		case SNAPSHOT_WANT_LOAD:
			check(false);
		}
		v.err = snapshot_parser_feed(&parser, take);
		if (!v.err && parser.want == SNAPSHOT_WANT_LOAD) {
			check(filled == parser.size);
			v.loads++;
			v.loaded += filled;
			filled = 0;
			snapshot_parser_loaded(&parser);
		}
		data += take;
		len -= take;
	}
	if (!v.err)
		v.end = snapshot_parser_finish(&parser);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct verdict whole, pieces;

	if (!len)
		return 0;
	snapshot_ident_fill(&ident, 0x1af4, 0x1041, "virtio");
	whole = read_plainly(data + 1, len - 1);
	pieces = read_in_pieces(data + 1, len - 1, data[0] ? data[0] : SIZE_MAX);

	check(whole.err == pieces.err);
	check(whole.end == pieces.end);
	check(whole.loads == pieces.loads);
	check(whole.loaded == pieces.loaded);
	return 0;
}
