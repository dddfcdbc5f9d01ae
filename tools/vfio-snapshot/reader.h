/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads an untrusted stream with the driver's parser and keeps a list of its
 * records, in bounded memory.
 */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "parts.h"

#define READER_RECORDS 1024	/* kept; others are only counted */
#define READER_IMAGES 16	/* of which the parts are kept */

struct reader_record {
	uint64_t at;		/* offset of its header */
	uint64_t size;
	uint32_t tag;
	uint32_t flags;
	uint64_t value;		/* of a STOP_COPY_SIZE record */
	struct parts *parts;	/* of device data, NULL: not kept */
};

struct reader {
	struct snapshot_parser parser;
	uint8_t front[sizeof(struct vfio_snapshot_record) + sizeof(struct vfio_snapshot_ident)];
	unsigned int nr_front;	/* bytes held until the device is known */
	bool started;
	uint64_t bytes;		/* fed so far */
	uint64_t total_records;
	uint64_t data_bytes;
	struct reader_record records[READER_RECORDS];
	unsigned int nr_records;
	unsigned int nr_images;
	int err;		/* errno of the parser; 0: no error so far */
	uint64_t err_at;
};

void reader_init(struct reader *r);
/* The next bytes, in pieces of any size. After an error they are only counted */
void reader_feed(struct reader *r, const uint8_t *data, uint64_t len);
/* At the end of the stream: 0, or an errno */
int reader_finish(struct reader *r);
/* The exact reason, as text */
void reader_reason(const struct reader *r, int err, char *text, size_t size);
bool reader_ident(const struct reader *r, struct vfio_snapshot_ident *ident);
void reader_free(struct reader *r);

#endif /* READER_H */
