/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits a stream into records and builds records, without the driver's code: a
 * test that used it would share its mistakes.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "vfio_mig.h"

#define RECORD_HEADER 16
#define RECORD_OPTIONAL 1u

#define TAG_DATA 0u
#define TAG_STOP_COPY_SIZE 1u
#define TAG_IDENT 0x44494e53u
#define TAG_END 0x444e4553u

struct record {
	size_t at;	/* offset of its header in the stream */
	uint64_t size;
	uint32_t flags;
	uint32_t tag;
};

#define MAX_RECORDS 16

struct records {
	struct record r[MAX_RECORDS];
	unsigned int nr;
};

/* 0, or -EBADMSG when the last record does not end at the end of the stream */
int records_parse(struct records *rs, const struct blob *stream);
/* The first record with @tag, or NULL */
const struct record *records_find(const struct records *rs, uint32_t tag);
int record_add(struct blob *stream, uint32_t tag, uint32_t flags,
	       const void *data, size_t size);
int record_add_header(struct blob *stream, uint32_t tag, uint32_t flags,
		      uint64_t size);
/* Only the device data, in the format of the upstream drivers */
int records_to_upstream(struct blob *to, const struct blob *from);

#endif /* RECORDS_H */
