// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot info: show what is in a stream. It is read once, so it may be a
 * pipe, and with bounded memory, so it may be hostile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <asm/byteorder.h>

#include "json.h"
#include "reader.h"
#include "vfio-snapshot.h"

static const struct { uint32_t tag; const char *name; } tags[] = {
	{ VFIO_SNAPSHOT_TAG_DEVICE_DATA, "DEVICE_DATA" },
	{ VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE, "STOP_COPY_SIZE" },
	{ VFIO_SNAPSHOT_TAG_IDENT, "IDENT" },
	{ VFIO_SNAPSHOT_TAG_END, "END" },
};

static const char *tag_name(uint32_t tag)
{
	size_t i;

	for (i = 0; i < NR(tags); i++)
		if (tags[i].tag == tag)
			return tags[i].name;
	return "unknown";
}

/* Feature bits: below 24 those of a network device, above those of any device. */
static const struct { unsigned int bit; const char *name; } features[] = {
	{ 0, "CSUM" }, { 1, "GUEST_CSUM" }, { 2, "CTRL_GUEST_OFFLOADS" }, { 3, "MTU" },
	{ 5, "MAC" }, { 7, "GUEST_TSO4" }, { 8, "GUEST_TSO6" }, { 9, "GUEST_ECN" },
	{ 10, "GUEST_UFO" }, { 11, "HOST_TSO4" }, { 12, "HOST_TSO6" }, { 13, "HOST_ECN" },
	{ 14, "HOST_UFO" }, { 15, "MRG_RXBUF" }, { 16, "STATUS" }, { 17, "CTRL_VQ" },
	{ 18, "CTRL_RX" }, { 19, "CTRL_VLAN" }, { 20, "CTRL_RX_EXTRA" },
	{ 21, "GUEST_ANNOUNCE" }, { 22, "MQ" }, { 23, "CTRL_MAC_ADDR" },
	{ 28, "INDIRECT_DESC" }, { 29, "EVENT_IDX" }, { 32, "VERSION_1" },
	{ 33, "ACCESS_PLATFORM" }, { 34, "RING_PACKED" }, { 35, "IN_ORDER" },
	{ 36, "ORDER_PLATFORM" }, { 37, "SR_IOV" }, { 38, "NOTIFICATION_DATA" },
	{ 39, "NOTIF_CONFIG_DATA" }, { 40, "RING_RESET" }, { 41, "ADMIN_VQ" },
};

#define FIRST_COMMON_BIT 24
#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_NET 0x1041

static uint64_t feature_bits(const struct part *part)
{
	uint64_t bits = 0;
	int i;

	for (i = 7; i >= 0; i--)
		bits = bits << 8 | part->value[i];
	return bits;
}

/* The bits have a meaning only if the IDENT names a network device. */
static void feature_list(const struct reader *r, uint64_t bits, char *text, size_t size)
{
	struct vfio_snapshot_ident ident;
	bool net = reader_ident(r, &ident) && le16_to_cpu(ident.device) == VIRTIO_NET;
	size_t i, used = 0;

	*text = '\0';
	for (i = 0; i < NR(features); i++) {
		if (!(bits >> features[i].bit & 1) || used >= size ||
		    (features[i].bit < FIRST_COMMON_BIT && !net))
			continue;
		used += snprintf(text + used, size - used, "%s%s", used ? " " : "",
				 features[i].name);
	}
}

static void printable(char *to, const uint8_t *from, size_t len)
{
	size_t i;

	for (i = 0; i < len && from[i]; i++)
		*to++ = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	*to = '\0';
}

static void show_parts(const struct reader *r, const struct parts *parts)
{
	char which[64], value[160], names[512];
	unsigned int i;

	for (i = 0; i < parts->nr; i++) {
		const struct part *part = &parts->part[i];

		part_selected(part, which, sizeof(which));
		part_value(part, value, sizeof(value));
		printf("      0x%03x %-29s %-22s %7u bytes%s%s%s\n", part->type, part_name(part),
		       which, part->length, part->flags ? " optional" : "", *value ? "  " : "",
		       value);
		if ((part->type == 0x100 || part->type == 0x101) && part->length >= 8) {
			feature_list(r, feature_bits(part), names, sizeof(names));
			if (*names)
				printf("            %s\n", names);
		}
	}
	if (parts->total > parts->nr)
		printf("      and %" PRIu64 " more\n", parts->total - parts->nr);
}

/* Only the firmware of another vendor's device understands an image. */
static bool may_be_parts(const struct reader *r)
{
	struct vfio_snapshot_ident ident;

	if (reader_ident(r, &ident))
		return le16_to_cpu(ident.vendor) == VIRTIO_VENDOR;
	/* mlx5_vfio_pci writes this record, drivers for VIRTIO do not. */
	return !(r->nr_records && r->records[0].tag == VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE);
}

static const char *contents(const struct reader *r, const struct parts *parts)
{
	if (!may_be_parts(r))
		return "opaque firmware data";
	if (!parts)
		return "not looked into";
	if (parts_whole(parts))
		return "VIRTIO device parts";
	return parts->foreign ? "opaque firmware data" : "VIRTIO device parts, cut off";
}

static void show(const struct reader *r, const char *reason)
{
	struct vfio_snapshot_ident ident;
	char backend[VFIO_SNAPSHOT_BACKEND_LEN + 1];
	unsigned int i;

	printf("%" PRIu64 " bytes, %" PRIu64 " records, %" PRIu64 " bytes of device data\n",
	       r->bytes, r->total_records, r->data_bytes);
	if (reader_ident(r, &ident)) {
		printable(backend, ident.backend, sizeof(ident.backend));
		printf("taken from a device %04x:%04x by the back-end %s, format version %u\n",
		       le16_to_cpu(ident.vendor), le16_to_cpu(ident.device), backend,
		       le16_to_cpu(ident.version));
	} else {
		printf("without IDENT: not from a vfio-snapshot driver, or not from its beginning\n");
	}
	printf("%10s  %-14s %12s\n", "offset", "record", "bytes");
	for (i = 0; i < r->nr_records; i++) {
		const struct reader_record *record = &r->records[i];
		bool data = record->tag == VFIO_SNAPSHOT_TAG_DEVICE_DATA;

		printf("%10" PRIu64 "  %-14s %12" PRIu64 "%s%s", record->at, tag_name(record->tag),
		       record->size, data ? "  " : "", data ? contents(r, record->parts) : "");
		if (record->tag == VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE)
			printf("  the last image needs %" PRIu64 " bytes", record->value);
		if (!strcmp(tag_name(record->tag), "unknown"))
			printf("  tag 0x%08x, %s", record->tag,
			       record->flags & VFIO_SNAPSHOT_RECORD_F_OPTIONAL ?
			       "optional" : "mandatory");
		printf("\n");
		if (record->parts && !record->parts->foreign && may_be_parts(r))
			show_parts(r, record->parts);
	}
	if (r->total_records > r->nr_records)
		printf("and %" PRIu64 " more records\n", r->total_records - r->nr_records);
	if (!r->err)
		puts("the stream is complete");
	else
		printf("the stream is %s: %s, at byte %" PRIu64 "\n",
		       r->err == -ENODATA ? "incomplete" : "damaged", reason, r->err_at);
}

static void json_parts(struct json *j, const struct reader *r, const struct parts *parts)
{
	char text[512];
	unsigned int i;

	json_open(j, "parts", '[');
	for (i = 0; i < parts->nr; i++) {
		const struct part *part = &parts->part[i];

		json_open(j, NULL, '{');
		json_number(j, "type", part->type);
		json_string(j, "name", part_name(part));
		part_selected(part, text, sizeof(text));
		if (*text)
			json_string(j, "which", text);
		json_number(j, "length", part->length);
		json_bool(j, "optional", part->flags);
		part_value(part, text, sizeof(text));
		if (*text)
			json_string(j, "value", text);
		if ((part->type == 0x100 || part->type == 0x101) && part->length >= 8) {
			feature_list(r, feature_bits(part), text, sizeof(text));
			json_string(j, "features", text);
		}
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void show_json(const struct reader *r, const char *reason)
{
	struct json j = { .out = stdout };
	char backend[VFIO_SNAPSHOT_BACKEND_LEN + 1], id[16];
	struct vfio_snapshot_ident ident;
	unsigned int i;

	json_open(&j, NULL, '{');
	json_bool(&j, "complete", !r->err);
	json_string(&j, "state", !r->err ? "complete" : r->err == -ENODATA ? "incomplete" : "damaged");
	json_string(&j, "reason", reason);
	json_number(&j, "bytes", r->bytes);
	json_number(&j, "records", r->total_records);
	json_number(&j, "data_bytes", r->data_bytes);
	if (reader_ident(r, &ident)) {
		printable(backend, ident.backend, sizeof(ident.backend));
		snprintf(id, sizeof(id), "%04x:%04x", le16_to_cpu(ident.vendor),
			 le16_to_cpu(ident.device));
		json_open(&j, "ident", '{');
		json_number(&j, "version", le16_to_cpu(ident.version));
		json_string(&j, "device", id);
		json_string(&j, "backend", backend);
		json_close(&j, '}');
	} else {
		json_null(&j, "ident");
	}
	if (r->err)
		json_number(&j, "fault_at", r->err_at);
	json_open(&j, "record_list", '[');
	for (i = 0; i < r->nr_records; i++) {
		const struct reader_record *record = &r->records[i];

		json_open(&j, NULL, '{');
		json_number(&j, "offset", record->at);
		json_string(&j, "kind", tag_name(record->tag));
		json_number(&j, "tag", record->tag);
		/* A string: numbers in JSON have 53 bits. */
		snprintf(id, sizeof(id), "0x%x", record->flags);
		json_string(&j, "flags", id);
		if (record->size >> 53)
			json_null(&j, "size");
		else
			json_number(&j, "size", record->size);
		/* From the stream, so any value is possible. */
		if (record->tag == VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE && !(record->value >> 53))
			json_number(&j, "stop_copy_size", record->value);
		if (record->parts && !record->parts->foreign && may_be_parts(r))
			json_parts(&j, r, record->parts);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

/* The stream is in order, but no driver accepts it. */
static void check_ident(struct reader *r)
{
	struct vfio_snapshot_ident ident;

	if (!r->err && reader_ident(r, &ident) &&
	    (le16_to_cpu(ident.version) != VFIO_SNAPSHOT_IDENT_VERSION || ident.reserved ||
	     ident.backend[VFIO_SNAPSHOT_BACKEND_LEN - 1])) {
		r->err = -EPROTO;
		r->err_at = sizeof(struct vfio_snapshot_record);
	}
}

int cmd_info(const struct options *o)
{
	bool from_stdin = !strcmp(o->args[0], "-");
	FILE *in = from_stdin ? stdin : fopen(o->args[0], "rbe");
	struct reader *r = malloc(sizeof(*r));
	static uint8_t buffer[65536];
	char reason[256];
	int status;
	size_t got;

	if (!in || !r) {
		free(r);
		return fail("%s: %s", o->args[0], strerror(errno));
	}
	reader_init(r);
	while ((got = fread(buffer, 1, sizeof(buffer), in)) > 0)
		reader_feed(r, buffer, got);
	if (ferror(in)) {
		status = fail("%s: %s", o->args[0], strerror(errno));
	} else {
		reader_finish(r);
		check_ident(r);
		if (r->err == -EPROTO)
			snprintf(reason, sizeof(reason), "an IDENT of a version other than 1, or malformed");
		else
			reader_reason(r, r->err, reason, sizeof(reason));
		o->json ? show_json(r, reason) : show(r, reason);
		status = r->err ? STATUS_FAILED : STATUS_OK;
	}
	if (!from_stdin)
		fclose(in);
	reader_free(r);
	free(r);
	return status;
}
