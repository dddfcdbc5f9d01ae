// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration state machine. The table below alone decides which arcs exist,
 * what each does and which state a failure leaves. The functions have no side
 * effects but through a walker, take no locks and also run on the host.
 */
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <uapi/linux/vfio_snapshot.h>

#include "arcs.h"

/* Three states have names of our own in the table: RESUMING_NDMA, PRECOPY, PRECOPY_NDMA. */
#define ERROR		VFIO_DEVICE_STATE_ERROR
#define STOP		VFIO_DEVICE_STATE_STOP
#define RUNNING		VFIO_DEVICE_STATE_RUNNING
#define STOP_COPY	VFIO_DEVICE_STATE_STOP_COPY
#define RESUMING	VFIO_DEVICE_STATE_RESUMING
#define RESUMING_NDMA	VFIO_DEVICE_STATE_RUNNING_P2P
#define PRECOPY		VFIO_DEVICE_STATE_PRE_COPY
#define PRECOPY_NDMA	VFIO_DEVICE_STATE_PRE_COPY_P2P

#define F_NDMA		VFIO_MIGRATION_P2P
#define F_PRECOPY	VFIO_MIGRATION_PRE_COPY
#define F_BOTH		(F_NDMA | F_PRECOPY)

#define ARC(_from, _to, _with, _without, _level, _action, _failure)	\
	{								\
		.from = _from, .to = _to,				\
		.with = _with, .without = _without,			\
		.level = VFIO_SNAPSHOT_##_level,			\
		.action = SNAPSHOT_##_action,				\
		.failure = SNAPSHOT_##_failure,				\
	}

const struct snapshot_arc snapshot_arcs[] = {
	/* from, to, with, without, level, action, failure */

	ARC(RUNNING, RESUMING_NDMA, F_NDMA, 0, NDMA, KEEP, STAYS),
	ARC(RESUMING_NDMA, RUNNING, F_NDMA, 0, RUN, KEEP, STAYS),
	ARC(RESUMING_NDMA, STOP, F_NDMA, 0, STOP, KEEP, STAYS),
	ARC(STOP, RESUMING_NDMA, F_NDMA, 0, NDMA, KEEP, STAYS),
	ARC(RUNNING, STOP, 0, F_NDMA, STOP, KEEP, STAYS),
	ARC(STOP, RUNNING, 0, F_NDMA, RUN, KEEP, STAYS),

	ARC(STOP, STOP_COPY, 0, 0, STOP, SAVE_WHOLE, STAYS),
	ARC(STOP_COPY, STOP, 0, 0, STOP, SAVE_CLOSE, STAYS),

	ARC(STOP, RESUMING, 0, 0, STOP, LOAD_OPEN, STAYS),
	ARC(RESUMING, STOP, 0, 0, STOP, LOAD_CLOSE, BREAKS),

	ARC(RUNNING, PRECOPY, F_PRECOPY, 0, RUN, SAVE_OPEN, STAYS),
	ARC(PRECOPY, RUNNING, F_PRECOPY, 0, RUN, SAVE_CLOSE, STAYS),
	ARC(PRECOPY, STOP_COPY, F_PRECOPY, F_NDMA, STOP, SAVE_FINISH, STAYS),
	ARC(PRECOPY, PRECOPY_NDMA, F_BOTH, 0, NDMA, KEEP, STAYS),
	ARC(PRECOPY_NDMA, PRECOPY, F_BOTH, 0, RUN, KEEP, STAYS),
	ARC(PRECOPY_NDMA, STOP_COPY, F_BOTH, 0, STOP, SAVE_FINISH, STAYS),
	ARC(PRECOPY_NDMA, RESUMING_NDMA, F_BOTH, 0, NDMA, SAVE_CLOSE, STAYS),
	ARC(RESUMING_NDMA, PRECOPY_NDMA, F_BOTH, 0, NDMA, SAVE_OPEN, STAYS),
};

const unsigned int snapshot_nr_arcs = ARRAY_SIZE(snapshot_arcs);

/* Properties of the states. */
static const struct {
	const char *name;
	u8 with;
	u8 level;
	bool saving;	/* has the saving stream open, as all saving states do */
	bool passable;	/* a walk between two other states may go through it */
} states[VFIO_DEVICE_STATE_NR] = {
	[ERROR]		= { "ERROR", 0, VFIO_SNAPSHOT_UNKNOWN },
	[STOP]		= { "STOP", 0, VFIO_SNAPSHOT_STOP, .passable = true },
	[RUNNING]	= { "RUNNING", 0, VFIO_SNAPSHOT_RUN, .passable = true },
	[STOP_COPY]	= { "STOP_COPY", 0, VFIO_SNAPSHOT_STOP, .saving = true },
	[RESUMING]	= { "RESUMING", 0, VFIO_SNAPSHOT_STOP },
	[RESUMING_NDMA]	= { "RUNNING_P2P", F_NDMA, VFIO_SNAPSHOT_NDMA, .passable = true },
	[PRECOPY]	= { "PRE_COPY", F_PRECOPY, VFIO_SNAPSHOT_RUN, .saving = true },
	[PRECOPY_NDMA]	= { "PRE_COPY_P2P", F_BOTH, VFIO_SNAPSHOT_NDMA, .saving = true },
};

static bool has(const struct snapshot_arc *arc, unsigned int features)
{
	return (features & arc->with) == arc->with && !(features & arc->without);
}

/**
 * snapshot_state_exists - whether a device has a state
 * @state: any number, from userspace
 * @features: VFIO_MIGRATION_* of the device
 *
 * Return: true if @state is one of the eight and @features include what it
 * needs.
 */
bool snapshot_state_exists(unsigned int state, unsigned int features)
{
	return state < VFIO_DEVICE_STATE_NR &&
	       (features & states[state].with) == states[state].with;
}

/**
 * snapshot_state_level - quiesce level of a state
 * @state: one of the eight
 *
 * Return: the level of a device in @state.
 */
enum vfio_snapshot_level snapshot_state_level(enum vfio_device_mig_state state)
{
	return states[state].level;
}

/**
 * snapshot_state_name - name of a state, for messages
 * @state: any number
 *
 * Return: a constant string, "invalid" if @state is not a state.
 */
const char *snapshot_state_name(unsigned int state)
{
	return state < VFIO_DEVICE_STATE_NR ? states[state].name : "invalid";
}

/**
 * snapshot_action_opens - whether an action opens a data stream
 * @action: the action of an arc
 *
 * Return: true if the arc returns a new data fd.
 */
bool snapshot_action_opens(enum snapshot_action action)
{
	return action == SNAPSHOT_SAVE_OPEN || action == SNAPSHOT_SAVE_WHOLE ||
	       action == SNAPSHOT_LOAD_OPEN;
}

/*
 * A walk between two saving states keeps the stream open, so it must not leave
 * the saving states. Any other walk must avoid them: the caller would lose the
 * data of a stream that opens and closes within the walk.
 */
static bool may_pass(unsigned int state, unsigned int from, unsigned int to)
{
	if (states[from].saving && states[to].saving)
		return states[state].saving;
	return states[state].passable;
}

/**
 * snapshot_arc_next - first arc of the walk between two states
 * @from: the current state
 * @to: the wanted state, any number from userspace
 * @features: VFIO_MIGRATION_* of the device
 *
 * The walk is the shortest one over the arcs that @features allow; may_pass()
 * leaves only one of that length. Call this again from the state that the arc
 * enters to get the next arc; each step shortens the rest by one.
 *
 * Return: a row of snapshot_arcs[], or NULL if there is no walk, if either is
 * not a state of the device, or if they are equal.
 */
const struct snapshot_arc *snapshot_arc_next(unsigned int from, unsigned int to,
					     unsigned int features)
{
	unsigned int distance[VFIO_DEVICE_STATE_NR];
	unsigned int i, round;

	if (from == to || !snapshot_state_exists(from, features) ||
	    !snapshot_state_exists(to, features))
		return NULL;

	for (i = 0; i < VFIO_DEVICE_STATE_NR; i++)
		distance[i] = VFIO_DEVICE_STATE_NR;
	distance[to] = 0;

	for (round = 1; round < VFIO_DEVICE_STATE_NR; round++) {
		for (i = 0; i < snapshot_nr_arcs; i++) {
			const struct snapshot_arc *arc = &snapshot_arcs[i];

			if (!has(arc, features) || distance[arc->to] != round - 1)
				continue;
			if (arc->to != to && !may_pass(arc->to, from, to))
				continue;
			if (arc->from == from)
				return arc;
			if (distance[arc->from] > round)
				distance[arc->from] = round;
		}
	}
	return NULL;
}

/**
 * snapshot_arc_query - VFIO_DEVICE_FEATURE_MIG_ARC
 * @features: VFIO_MIGRATION_* of the device
 * @query: @from and @to are read, the rest is set
 *
 * Return: 0, or -EINVAL if @from or @to is not a state.
 */
int snapshot_arc_query(unsigned int features, struct vfio_device_feature_mig_arc *query)
{
	const struct snapshot_arc *arc;
	unsigned int from, to;

	if (query->from >= VFIO_DEVICE_STATE_NR || query->to >= VFIO_DEVICE_STATE_NR)
		return -EINVAL;
	from = array_index_nospec(query->from, VFIO_DEVICE_STATE_NR);
	to = array_index_nospec(query->to, VFIO_DEVICE_STATE_NR);

	query->next = ERROR;
	query->flags = 0;
	if (from == to) {
		query->next = to;
		if (to != ERROR && snapshot_state_exists(to, features))
			query->flags = VFIO_MIG_ARC_SUPPORTED;
		return 0;
	}

	arc = snapshot_arc_next(from, to, features);
	if (!arc)
		return 0;
	query->next = arc->to;
	query->flags = VFIO_MIG_ARC_SUPPORTED;
	if (arc->to == to)
		query->flags |= VFIO_MIG_ARC_DIRECT;
	while (arc->to != to)
		arc = snapshot_arc_next(arc->to, to, features);
	if (snapshot_action_opens(arc->action))
		query->flags |= VFIO_MIG_ARC_DATA_FD;
	return 0;
}

/**
 * snapshot_arc_settle - state of the device after an arc
 * @arc: the arc
 * @err: 0, or the errno that it failed with
 * @now: level of the device, as the back-end reports it
 *
 * Return: @arc->to after success, @arc->from after a failure that left the
 * device at the level of @arc->from, VFIO_DEVICE_STATE_ERROR otherwise.
 */
enum vfio_device_mig_state snapshot_arc_settle(const struct snapshot_arc *arc, int err,
					       enum vfio_snapshot_level now)
{
	if (!err && now == arc->level)
		return arc->to;
	if (err && arc->failure == SNAPSHOT_STAYS && now == states[arc->from].level)
		return arc->from;
	return VFIO_DEVICE_STATE_ERROR;
}

static bool arc_halts(enum vfio_snapshot_level level)
{
	return level == VFIO_SNAPSHOT_NDMA || level == VFIO_SNAPSHOT_STOP;
}

static int arc_reach(struct snapshot_walker *walker, enum vfio_snapshot_level want,
		     enum vfio_snapshot_level back)
{
	if (walker->level == want)
		return 0;
	if (walker->whole && arc_halts(walker->level) && arc_halts(want)) {
		walker->level = want;
		return 0;
	}
	return walker->quiesce(walker, want, back);
}

/**
 * snapshot_arc_take - take one arc
 * @arc: the arc; the walker is in its @from
 * @walker: the device
 * @err: set to 0, or to the errno that the arc failed with
 *
 * Return: the state that the device is in now, see snapshot_arc_settle().
 */
enum vfio_device_mig_state snapshot_arc_take(const struct snapshot_arc *arc,
					     struct snapshot_walker *walker, int *err)
{
	*err = arc_reach(walker, arc->level, states[arc->from].level);
	/*
	 * Only arcs without a quiesce, and RESUMING -> STOP, have an action that can
	 * fail. So nothing needs to be undone.
	 */
	if (!*err && arc->action != SNAPSHOT_KEEP)
		*err = walker->act(walker, arc->action);
	return snapshot_arc_settle(arc, *err, walker->level);
}
