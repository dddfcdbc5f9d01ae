/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stream format: fill the headers of records, parse an untrusted stream.
 * Pure C: unit tests, the fuzzer and the command vfio-snapshot compile it on the
 * host. It allocates nothing; the caller serializes the calls for one stream.
 */
#ifndef VFIO_SNAPSHOT_FORMAT_H
#define VFIO_SNAPSHOT_FORMAT_H

#include <linux/types.h>
#include <uapi/linux/vfio_snapshot.h>

/* Limit for unknown optional records, which are skipped. */
#define SNAPSHOT_SKIP_MAX	0x100000

/**
 * struct snapshot_tally - size of a stream so far
 * @records: number of complete records
 * @length: bytes in them, with headers
 */
struct snapshot_tally {
	u64 records;
	u64 length;
};

/**
 * enum snapshot_want - what the next bytes of a stream are
 * @SNAPSHOT_WANT_BYTES: @room bytes of a header or of one of our own records;
 *                       copy them to @into
 * @SNAPSHOT_WANT_DATA: @room bytes of device data; append them to the bytes of
 *                      the same record
 * @SNAPSHOT_WANT_SKIP: @room bytes of an optional record; drop them
 * @SNAPSHOT_WANT_LOAD: none: a record of device data is complete; load it, then
 *                      call snapshot_parser_loaded()
 */
enum snapshot_want {
	SNAPSHOT_WANT_BYTES,
	SNAPSHOT_WANT_DATA,
	SNAPSHOT_WANT_SKIP,
	SNAPSHOT_WANT_LOAD,
};

/**
 * struct snapshot_parser - state of the parser of one stream
 * @want: what the next bytes are
 * @room: how many of them are missing; 0 only for SNAPSHOT_WANT_LOAD
 * @into: where to copy them, for SNAPSHOT_WANT_BYTES
 * @size: payload size of the current record, valid with SNAPSHOT_WANT_DATA
 *        and SNAPSHOT_WANT_LOAD
 * @tally: the complete records so far
 * @loads: records of device data among them
 * @max_data: largest record of device data to accept
 * @ident: the only IDENT record to accept
 * @have_ident: an IDENT record came
 * @have_end: an END record came; no byte may follow
 * @in_header: the next bytes belong to a header
 * @tag: tag of the current record, in CPU byte order
 * @header: the current header, as far as it came
 * @body: the payload of one of our own records, as far as it came
 *
 * The caller reads the fields above @max_data and leaves the rest alone.
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
