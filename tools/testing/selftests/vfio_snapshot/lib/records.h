/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The records of a stream, taken apart and put together by hand: a test that
 * used the driver's own code for it would share the driver's mistakes.
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
	size_t at;	/* of its header in the stream */
	uint64_t size;
	uint32_t flags;
	uint32_t tag;
};

#define MAX_RECORDS 16

struct records {
	struct record r[MAX_RECORDS];
	unsigned int nr;
};

/* 0, or -EBADMSG for a stream whose records do not end where it ends */
int records_parse(struct records *rs, const struct blob *stream);
/* The first record with @tag, or NULL */
const struct record *records_find(const struct records *rs, uint32_t tag);
int record_add(struct blob *stream, uint32_t tag, uint32_t flags,
	       const void *data, size_t size);
int record_add_header(struct blob *stream, uint32_t tag, uint32_t flags,
		      uint64_t size);
/* The device data alone, framed as the upstream drivers do */
int records_to_upstream(struct blob *to, const struct blob *from);

#endif /* RECORDS_H */
