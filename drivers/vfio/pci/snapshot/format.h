/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stream format: making records, and taking an untrusted stream apart.
 * Pure C without allocation, also compiled on the host by the unit tests.
 */
#ifndef VFIO_SNAPSHOT_FORMAT_H
#define VFIO_SNAPSHOT_FORMAT_H

#include <uapi/linux/vfio_snapshot.h>

#include "pure.h"

/* Largest optional record of another driver that is skipped. */
#define SNAPSHOT_SKIP_MAX	0x100000

/**
 * struct snapshot_tally - what a stream holds so far
 * @records: whole records
 * @length: bytes of those records, headers included
 */
struct snapshot_tally {
	u64 records;
	u64 length;
};

/**
 * enum snapshot_want - what the next bytes of a stream are
 * @SNAPSHOT_WANT_BYTES: @room bytes of a header or of one of our own records,
 *                       to be put at @into
 * @SNAPSHOT_WANT_DATA: @room bytes of device data, to be put behind those of
 *                      the same record that came before
 * @SNAPSHOT_WANT_SKIP: @room bytes of an optional record, to be dropped
 * @SNAPSHOT_WANT_LOAD: none: a record of device data is whole, load it, then
 *                      call snapshot_parser_loaded()
 */
enum snapshot_want {
	SNAPSHOT_WANT_BYTES,
	SNAPSHOT_WANT_DATA,
	SNAPSHOT_WANT_SKIP,
	SNAPSHOT_WANT_LOAD,
};

/**
 * struct snapshot_parser - state of taking one stream apart
 * @want: what the next bytes are
 * @room: how many of them are missing, never 0 but for SNAPSHOT_WANT_LOAD
 * @into: where to put them, for SNAPSHOT_WANT_BYTES
 * @size: payload size of the current record, valid with SNAPSHOT_WANT_DATA
 *        and SNAPSHOT_WANT_LOAD
 * @tally: the whole records so far
 * @loads: records of device data among them
 * @max_data: largest record of device data to accept
 * @ident: what the IDENT record must say
 * @have_ident: an IDENT record came
 * @have_end: an END record came; not one byte may follow
 * @in_header: the bytes wanted are those of a header
 * @tag: tag of the current record, in CPU byte order
 * @header: the header being collected
 * @body: the payload of one of our own records being collected
 *
 * Everything above @max_data changes while the stream is taken apart.
 */
struct snapshot_parser {
	enum snapshot_want want;
	u64 room;
	u8 *into;
	u64 size;
	struct snapshot_tally tally;
	u64 loads;
	u64 max_data;
	struct vfio_snapshot_ident ident;
	bool have_ident;
	bool have_end;
	bool in_header;
	u32 tag;
	struct vfio_snapshot_record header;
	union {
		struct vfio_snapshot_ident ident;
		struct vfio_snapshot_end end;
	} body;
};

void snapshot_record_fill(struct vfio_snapshot_record *header, u32 tag, u64 size);
void snapshot_ident_fill(struct vfio_snapshot_ident *ident, u16 vendor, u16 device,
			 const char *backend);
void snapshot_tally_add(struct snapshot_tally *tally, u64 size);

void snapshot_parser_init(struct snapshot_parser *parser, u64 max_data,
			  const struct vfio_snapshot_ident *ident);
int snapshot_parser_feed(struct snapshot_parser *parser, u64 bytes);
void snapshot_parser_loaded(struct snapshot_parser *parser);
int snapshot_parser_finish(const struct snapshot_parser *parser);

#endif /* VFIO_SNAPSHOT_FORMAT_H */
