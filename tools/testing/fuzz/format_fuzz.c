// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the stream parser with libFuzzer. The first byte of the input is the number
 * of piece lengths; then come that many lengths, which are used in turn, and the
 * stream. The parser must accept what the kselftests' own reader (judge.c) accepts,
 * which sees the whole stream at once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "judge.h"

#define MAX_DATA	4096

static struct vfio_snapshot_ident ident;

#define check(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();					\
		}							\
	} while (0)

struct cuts {
	const u8 *lens;		/* of the pieces, 0: the rest of the stream */
	size_t nr;		/* 0: one piece */
};

static struct verdict read_in_pieces(const u8 *data, size_t len, const struct cuts *cuts)
{
	struct snapshot_parser parser;
	struct verdict v = { 0 };
	u64 filled = 0, room;
	size_t i;

	snapshot_parser_init(&parser, MAX_DATA, &ident);
	for (i = 0; len && !v.err; i++) {
		size_t take = cuts->nr ? cuts->lens[i % cuts->nr] : 0;

		room = parser.room;
		check(room);
		check(!snapshot_parser_feed(&parser, 0) && parser.room == room);
		if (!take || take > len)
			take = len;
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
		v.err = -snapshot_parser_feed(&parser, take);
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
		v.end = -snapshot_parser_finish(&parser);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct judge_rules rules = {
		.max_data = MAX_DATA,
		.max_skip = SNAPSHOT_SKIP_MAX,
		.ident = (const uint8_t *)&ident,
	};
	struct verdict whole, pieces;
	struct cuts cuts;

	if (!len || len <= data[0])
		return 0;
	cuts = (struct cuts){ data + 1, data[0] };
	data += 1 + cuts.nr;
	len -= 1 + cuts.nr;
	snapshot_ident_fill(&ident, 0x1af4, 0x1041, "virtio");
	whole = judge_stream(data, len, &rules);
	pieces = read_in_pieces(data, len, &cuts);

	check(whole.err == pieces.err);
	check(whole.end == pieces.end);
	check(whole.loads == pieces.loads);
	check(whole.loaded == pieces.loaded);
	return 0;
}
