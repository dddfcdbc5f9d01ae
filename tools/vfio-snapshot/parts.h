/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses VIRTIO device parts (VIRTIO 1.4, "Device parts") in device data, piece by
 * piece. Recognizes data of other devices.
 */
#ifndef PARTS_H
#define PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PART_HEADER 16
#define PART_VALUE 32		/* bytes kept of a value */
#define PARTS_MAX 4096		/* parts kept; others are only counted */

struct part {
	uint16_t type;
	uint8_t flags;
	uint8_t reserved;
	uint8_t selector[8];
	uint32_t length;
	uint8_t value[PART_VALUE];
};

struct parts {
	struct part *part;
	unsigned int nr;
	uint64_t total;
	uint8_t header[PART_HEADER];
	unsigned int have;	/* bytes of the header so far */
	uint32_t missing;	/* bytes of the value to come */
	struct part now;
	bool foreign;		/* not a list of parts */
};

void parts_feed(struct parts *p, const uint8_t *data, uint64_t len);
/* The data is a list of parts, and the last one is complete */
bool parts_whole(const struct parts *p);
void parts_free(struct parts *p);

const char *part_name(const struct part *part);
/* The selector and the value as text, as far as they are known */
void part_selected(const struct part *part, char *text, size_t size);
void part_value(const struct part *part, char *text, size_t size);

#endif /* PARTS_H */
