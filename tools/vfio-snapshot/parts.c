// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "vfio-snapshot.h"

#define OPTIONAL 1

static uint64_t le(const uint8_t *bytes, unsigned int len)
{
	uint64_t value = 0;

	while (len)
		value = value << 8 | bytes[--len];
	return value;
}

static void start(struct parts *p)
{
	const uint8_t *h = p->header;

	p->now = (struct part){ .type = le(h, 2), .flags = h[2], .reserved = h[3],
				.length = le(h + 12, 4) };
	memcpy(p->now.selector, h + 4, sizeof(p->now.selector));
	p->missing = p->now.length;
	/* Types from 0x600 are reserved, as are the other bits. */
	if (p->now.type >= 0x600 || p->now.flags & ~OPTIONAL || p->now.reserved)
		p->foreign = true;
}

static void keep(struct parts *p)
{
	struct part *more;

	p->total++;
	p->have = 0;
	if (p->nr == PARTS_MAX)
		return;
	if (!(p->nr & (p->nr - 1))) {
		more = realloc(p->part, (p->nr ? 2 * p->nr : 1) * sizeof(*more));
		if (!more)
			return;
		p->part = more;
	}
	p->part[p->nr++] = p->now;
}

void parts_feed(struct parts *p, const uint8_t *data, uint64_t len)
{
	while (len && !p->foreign) {
		uint64_t take, at;

		if (p->have < PART_HEADER) {
			p->header[p->have++] = *data++;
			len--;
			if (p->have < PART_HEADER)
				continue;
			start(p);
			if (!p->missing && !p->foreign)
				keep(p);
			continue;
		}
		take = len < p->missing ? len : p->missing;
		at = p->now.length - p->missing;
		if (at < PART_VALUE)
			memcpy(p->now.value + at, data,
			       take < PART_VALUE - at ? take : PART_VALUE - at);
		p->missing -= take;
		data += take;
		len -= take;
		if (!p->missing)
			keep(p);
	}
}

bool parts_whole(const struct parts *p)
{
	return !p->foreign && !p->have && p->total;
}

void parts_free(struct parts *p)
{
	if (p)
		free(p->part);
	free(p);
}

enum { PART_DEV_FEATURES = 0x100, PART_DRV_FEATURES, PART_COMMON, PART_STATUS, PART_VQ,
       PART_NOTIFY, PART_CVQ = 0x200 };

static const char *const common_names[] = {
	[PART_DEV_FEATURES - PART_DEV_FEATURES] = "device features",
	[PART_DRV_FEATURES - PART_DEV_FEATURES] = "driver features",
	[PART_COMMON - PART_DEV_FEATURES] = "common configuration",
	[PART_STATUS - PART_DEV_FEATURES] = "device status",
	[PART_VQ - PART_DEV_FEATURES] = "virtqueue",
	[PART_NOTIFY - PART_DEV_FEATURES] = "virtqueue notification",
};

const char *part_name(const struct part *part)
{
	unsigned int common = part->type - PART_DEV_FEATURES;

	if (part->type >= PART_DEV_FEATURES && common < NR(common_names))
		return common_names[common];
	if (part->type == PART_CVQ)
		return "network control queue setting";
	return part->type < 0x200 ? "unknown common part" : "part of this type of device";
}

/* Offsets in struct virtio_pci_common_cfg */
static const struct { unsigned int offset; const char *name; } fields[] = {
	{ 0, "device_feature_select" }, { 8, "driver_feature_select" },
	{ 16, "config_msix_vector" }, { 18, "num_queues" }, { 20, "device_status" },
	{ 21, "config_generation" }, { 22, "queue_select" }, { 24, "queue_size" },
	{ 26, "queue_msix_vector" }, { 28, "queue_enable" }, { 30, "queue_notify_off" },
};

/* Classes and commands of the network device's control queue */
static const struct { uint8_t class, command; const char *name; } settings[] = {
	{ 0, 0, "promiscuous" }, { 0, 1, "all multicast" }, { 0, 2, "all unicast" },
	{ 0, 3, "no multicast" }, { 0, 4, "no unicast" }, { 0, 5, "no broadcast" },
	{ 1, 0, "MAC filter table" }, { 1, 1, "MAC address" },
	{ 2, 0, "VLAN filter" }, { 4, 0, "queue pairs" },
};

void part_selected(const struct part *part, char *text, size_t size)
{
	unsigned int index = le(part->selector, 2), offset = le(part->selector, 4);
	size_t i;

	*text = '\0';
	switch (part->type) {
	case PART_VQ:
	case PART_NOTIFY:
		snprintf(text, size, "queue %u", index);
		break;
	case PART_COMMON:
		snprintf(text, size, "offset %u", offset);
		for (i = 0; i < NR(fields); i++)
			if (fields[i].offset == offset)
				snprintf(text, size, "%s", fields[i].name);
		break;
	case PART_CVQ:
		snprintf(text, size, "class %u command %u", part->selector[0], part->selector[1]);
		for (i = 0; i < NR(settings); i++)
			if (settings[i].class == part->selector[0] &&
			    settings[i].command == part->selector[1])
				snprintf(text, size, "%s", settings[i].name);
		break;
	}
}

static const struct { uint8_t bit; const char *name; } status_bits[] = {
	{ 1, "ACKNOWLEDGE" }, { 2, "DRIVER" }, { 8, "FEATURES_OK" }, { 4, "DRIVER_OK" },
	{ 64, "NEEDS_RESET" }, { 128, "FAILED" },
};

static void append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? " " : "", more);
}

void part_value(const struct part *part, char *text, size_t size)
{
	const uint8_t *v = part->value;
	size_t i;

	*text = '\0';
	if ((part->type == PART_DEV_FEATURES || part->type == PART_DRV_FEATURES) &&
	    part->length >= 8) {
		snprintf(text, size, "0x%016" PRIx64, le(v, 8));
	} else if (part->type == PART_STATUS && part->length == 1) {
		for (i = 0; i < NR(status_bits); i++)
			if (*v & status_bits[i].bit)
				append(text, size, status_bits[i].name);
		if (!*text)
			snprintf(text, size, "reset");
	} else if (part->type == PART_VQ && part->length == 32) {
		snprintf(text, size, "size %u %s rings at 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64,
			 (unsigned int)le(v, 2), le(v + 4, 2) ? "enabled" : "disabled",
			 le(v + 8, 8), le(v + 16, 8), le(v + 24, 8));
	} else if (part->type == PART_CVQ && part->selector[0] == 1 && part->selector[1] == 1 &&
		   part->length == 6) {
		snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3],
			 v[4], v[5]);
	} else if (part->length == 1 || part->length == 2 || part->length == 4) {
		snprintf(text, size, "%" PRIu64, le(v, part->length));
	}
}
