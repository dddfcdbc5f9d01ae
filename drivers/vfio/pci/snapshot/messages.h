/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel log says: one line when a device is probed, one when a
 * migration fails.
 */
#ifndef VFIO_SNAPSHOT_MESSAGES_H
#define VFIO_SNAPSHOT_MESSAGES_H

struct snapshot_arc;
struct snapshot_mig;

void snapshot_say_detached(struct snapshot_mig *mig);
void snapshot_say_able(struct snapshot_mig *mig);
void snapshot_say_arc_failed(struct snapshot_mig *mig, const struct snapshot_arc *arc,
			     int err);
void snapshot_say_load_failed(struct snapshot_mig *mig, int err);
void snapshot_say_not_running(struct snapshot_mig *mig);

#endif /* VFIO_SNAPSHOT_MESSAGES_H */
