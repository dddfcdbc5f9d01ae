// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot arcs: the state changes that a device supports. The driver
 * answers; for drivers without the arc query the migration flags imply them.
 */
#include <errno.h>
#include <string.h>

#include <linux/vfio_snapshot.h>

#include "arcs.h"
#include "device.h"
#include "json.h"
#include "vfio-snapshot.h"

typedef struct vfio_device_feature_mig_arc arc_query;

static int ask(struct vfio_dev *dev, uint64_t flags, arc_query *q)
{
	(void)flags;
	return mig_feature(dev, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_ARC, q,
			   sizeof(*q));
}

static int compute(struct vfio_dev *dev, uint64_t flags, arc_query *q)
{
	(void)dev;
	return snapshot_arc_query(flags, q);
}

static const char *way(struct vfio_dev *dev, uint64_t flags,
		       int (*query)(struct vfio_dev *, uint64_t, arc_query *), arc_query q,
		       char *text, size_t size)
{
	arc_query step = q;
	size_t used = 0;
	int i;

	*text = '\0';
	for (i = 0; i < VFIO_DEVICE_STATE_NR && step.from != step.to; i++) {
		if (query(dev, flags, &step) || !(step.flags & VFIO_MIG_ARC_SUPPORTED))
			break;
		if (step.next != step.to && used < size)
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 snapshot_state_name(step.next));
		step.from = step.next;
	}
	return text;
}

static void show(struct json *j, const struct options *o, const arc_query *q, const char *via)
{
	const char *from = snapshot_state_name(q->from), *to = snapshot_state_name(q->to);
	bool direct = q->flags & VFIO_MIG_ARC_DIRECT, data = q->flags & VFIO_MIG_ARC_DATA_FD;

	if (!o->json) {
		printf("%-14s %-14s %-5s %s%s\n", from, to, data ? "fd" : "", direct ? "direct" : "by way of ",
		       direct ? "" : via);
		return;
	}
	json_open(j, NULL, '{');
	json_string(j, "from", from);
	json_string(j, "to", to);
	json_bool(j, "direct", direct);
	json_bool(j, "data_fd", data);
	json_string(j, "way", via);
	json_close(j, '}');
}

int cmd_arcs(const struct options *o)
{
	int (*query)(struct vfio_dev *, uint64_t, arc_query *) = ask;
	arc_query q = { .from = VFIO_DEVICE_STATE_RUNNING, .to = VFIO_DEVICE_STATE_STOP };
	struct json j = { .out = stdout };
	unsigned int from, to, shown = 0;
	struct vfio_dev dev;
	uint64_t flags;
	char via[160];
	int ret;

	ret = device_open_or_say(&dev, o->args[0], &flags);
	if (ret != STATUS_OK)
		return ret;
	ret = ask(&dev, flags, &q);
	if (ret == -ENOTTY || ret == -EINVAL)
		query = compute;
	else if (ret)
		fail("the driver does not answer: %s", strerror(-ret));

	if (o->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "device", dev.bdf);
		json_string(&j, "source", query == ask ? "driver" : "computed");
		json_open(&j, "arcs", '[');
	} else {
		puts(query == ask ? "as the driver says:" :
		     "computed from the migration flags: this driver cannot be asked");
		printf("%-14s %-14s %-5s\n", "from", "to", "data");
	}
	for (from = 0; from < VFIO_DEVICE_STATE_NR; from++) {
		for (to = 0; to < VFIO_DEVICE_STATE_NR; to++) {
			q = (arc_query){ .from = from, .to = to };
			if (from == to || query(&dev, flags, &q) ||
			    !(q.flags & VFIO_MIG_ARC_SUPPORTED))
				continue;
			show(&j, o, &q, way(&dev, flags, query, q, via, sizeof(via)));
			shown++;
		}
	}
	if (o->json) {
		json_close(&j, ']');
		json_close(&j, '}');
	}
	vfio_dev_close(&dev);
	return shown ? STATUS_OK : fail("%s supports no state change", o->args[0]);
}
