// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the data of the generated pages from the driver's own code: the arc
 * table, the first step of every walk, and an example stream.
 *   dump arcs | dump walks | dump stream
 */
#include <stdio.h>
#include <string.h>
#include <asm/byteorder.h>
#include <linux/array_size.h>

#include "arcs.h"
#include "format.h"

static const char *const levels[] = { "RUN", "NDMA", "STOP", "UNKNOWN" };
static const char *const actions[] = {
	[SNAPSHOT_KEEP] = "KEEP",
	[SNAPSHOT_SAVE_OPEN] = "SAVE_OPEN",
	[SNAPSHOT_SAVE_FINISH] = "SAVE_FINISH",
	[SNAPSHOT_SAVE_WHOLE] = "SAVE_WHOLE",
	[SNAPSHOT_SAVE_CLOSE] = "SAVE_CLOSE",
	[SNAPSHOT_LOAD_OPEN] = "LOAD_OPEN",
	[SNAPSHOT_LOAD_CLOSE] = "LOAD_CLOSE",
};

static const char *features(unsigned int f)
{
	static const char *const names[] = { "-", "P2P", "PRE_COPY", "P2P+PRE_COPY" };

	return names[f >> 1];
}

static void dump_arcs(void)
{
	for (unsigned int i = 0; i < snapshot_nr_arcs; i++) {
		const struct snapshot_arc *arc = &snapshot_arcs[i];

		printf("%s %s %s %s %s %s %s\n", snapshot_state_name(arc->from),
		       snapshot_state_name(arc->to), features(arc->with),
		       features(arc->without), levels[arc->level],
		       actions[arc->action],
		       arc->failure == SNAPSHOT_STAYS ? "stays" : "ERROR");
	}
}

static void dump_walks(void)
{
	const unsigned int all = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				 VFIO_MIGRATION_PRE_COPY;

	for (unsigned int from = 0; from < VFIO_DEVICE_STATE_NR; from++) {
		for (unsigned int to = 0; to < VFIO_DEVICE_STATE_NR; to++) {
			const struct snapshot_arc *arc = snapshot_arc_next(from, to, all);

			printf("%s %s %s\n", snapshot_state_name(from), snapshot_state_name(to),
			       from == to ? "=" : arc ? snapshot_state_name(arc->to) : "-");
		}
	}
}

static struct snapshot_tally tally;

static void put(const char *what, const void *payload, u32 tag, u64 size)
{
	struct vfio_snapshot_record header;
	const unsigned char *byte = payload;

	snapshot_record_fill(&header, tag, size);
	printf("%s header %zu", what, (size_t)tally.length);
	for (size_t i = 0; i < sizeof(header); i++)
		printf(" %02x", ((unsigned char *)&header)[i]);
	printf("\n%s payload %zu", what, (size_t)tally.length + sizeof(header));
	for (size_t i = 0; i < size; i++)
		printf(" %02x", byte[i]);
	printf("\n");
	snapshot_tally_add(&tally, size);
}

static void dump_stream(void)
{
	static const char state[] = "the firmware's bytes";
	struct vfio_snapshot_ident ident;
	struct vfio_snapshot_end end;

	snapshot_ident_fill(&ident, 0x1af4, 0x1041, "virtio");
	put("IDENT", &ident, VFIO_SNAPSHOT_TAG_IDENT, sizeof(ident));
	put("DEVICE_DATA", state, VFIO_SNAPSHOT_TAG_DEVICE_DATA, sizeof(state) - 1);
	end.records = cpu_to_le64(tally.records);
	end.length = cpu_to_le64(tally.length);
	put("END", &end, VFIO_SNAPSHOT_TAG_END, sizeof(end));
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*dump)(void);
	} dumps[] = {
		{ "arcs", dump_arcs }, { "walks", dump_walks }, { "stream", dump_stream },
	};

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(dumps); i++) {
		if (!strcmp(argv[1], dumps[i].name)) {
			dumps[i].dump();
			return 0;
		}
	}
	fprintf(stderr, "usage: dump arcs|walks|stream\n");
	return 2;
}
