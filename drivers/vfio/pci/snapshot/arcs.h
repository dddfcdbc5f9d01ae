/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration state machine: arcs, walks and what failures leave. Pure C:
 * unit tests, the proof and the command vfio-snapshot compile it on the host.
 */
#ifndef VFIO_SNAPSHOT_ARCS_H
#define VFIO_SNAPSHOT_ARCS_H

#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/vfio_snapshot_level.h>

struct vfio_device_feature_mig_arc;

/**
 * enum snapshot_action - what an arc does to the data stream
 * @SNAPSHOT_KEEP: nothing
 * @SNAPSHOT_SAVE_OPEN: open a saving stream and save a first image
 * @SNAPSHOT_SAVE_FINISH: add the final image to the open stream and end it
 * @SNAPSHOT_SAVE_WHOLE: open a saving stream, save the final image and end it
 * @SNAPSHOT_SAVE_CLOSE: close the saving stream; cannot fail
 * @SNAPSHOT_LOAD_OPEN: open a loading stream
 * @SNAPSHOT_LOAD_CLOSE: check that the loaded state is complete, close the stream
 */
enum snapshot_action {
	SNAPSHOT_KEEP,
	SNAPSHOT_SAVE_OPEN,
	SNAPSHOT_SAVE_FINISH,
	SNAPSHOT_SAVE_WHOLE,
	SNAPSHOT_SAVE_CLOSE,
	SNAPSHOT_LOAD_OPEN,
	SNAPSHOT_LOAD_CLOSE,
};

/**
 * enum snapshot_failure - state of a device after a failed arc
 * @SNAPSHOT_STAYS: the state before, if the device is at the level of that state
 * @SNAPSHOT_BREAKS: ERROR
 */
enum snapshot_failure {
	SNAPSHOT_STAYS,
	SNAPSHOT_BREAKS,
};

/**
 * struct snapshot_arc - one legal arc
 * @from: enum vfio_device_mig_state before the arc
 * @to: enum vfio_device_mig_state after it
 * @with: VFIO_MIGRATION_* that a device needs to have this arc
 * @without: VFIO_MIGRATION_* that such a device must not have
 * @level: enum vfio_snapshot_level to reach before @action
 * @action: enum snapshot_action
 * @failure: enum snapshot_failure
 */
struct snapshot_arc {
	u8 from;
	u8 to;
	u8 with;
	u8 without;
	u8 level;
	u8 action;
	u8 failure;
};

/**
 * struct snapshot_walker - the device that an arc is taken on, or a test's fake
 * @level: level of the device; @quiesce updates it
 * @whole: NDMA and STOP are the same to the device
 * @quiesce: bring the device to a level, or back to @back in one step if that
 *           fails; returns 0 or an errno, and sets @level to the level of the
 *           device in both cases
 * @act: do the action of an arc; 0, or an errno with nothing done
 */
struct snapshot_walker {
	enum vfio_snapshot_level level;
	bool whole;
	int (*quiesce)(struct snapshot_walker *walker, enum vfio_snapshot_level want,
		       enum vfio_snapshot_level back);
	int (*act)(struct snapshot_walker *walker, enum snapshot_action action);
};

extern const struct snapshot_arc snapshot_arcs[];
extern const unsigned int snapshot_nr_arcs;

bool snapshot_state_exists(unsigned int state, unsigned int features);
enum vfio_snapshot_level snapshot_state_level(enum vfio_device_mig_state state);
const char *snapshot_state_name(unsigned int state);
bool snapshot_action_opens(enum snapshot_action action);
const struct snapshot_arc *snapshot_arc_next(unsigned int from, unsigned int to,
					     unsigned int features);
int snapshot_arc_query(unsigned int features, struct vfio_device_feature_mig_arc *query);
enum vfio_device_mig_state snapshot_arc_settle(const struct snapshot_arc *arc, int err,
					       enum vfio_snapshot_level now);
enum vfio_device_mig_state snapshot_arc_take(const struct snapshot_arc *arc,
					     struct snapshot_walker *walker, int *err);

#endif /* VFIO_SNAPSHOT_ARCS_H */
