/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 1: the lines in the kernel log. Each states facts; what to do about it is
 * in Documentation/admin-guide/troubleshooting.rst, by the same words.
 */
#ifndef VFIO_SNAPSHOT_MESSAGES_H
#define VFIO_SNAPSHOT_MESSAGES_H

struct snapshot_arc;
struct snapshot_fw;

void snapshot_say_able(struct snapshot_fw *fw, unsigned int features);
void snapshot_say(struct snapshot_fw *fw, int err, const char *what, const char *then);
void snapshot_say_arc_failed(struct snapshot_fw *fw, const struct snapshot_arc *arc,
			     int err, unsigned int state);
void snapshot_say_lost(struct snapshot_fw *fw);

#endif /* VFIO_SNAPSHOT_MESSAGES_H */
