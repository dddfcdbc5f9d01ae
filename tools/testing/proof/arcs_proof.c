// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proofs about arcs.c by CBMC: each function proof_* holds for all inputs, or CBMC
 * shows an input for which it does not. They include arcs.c itself, so they always
 * check the table that the driver uses.
 */
#include "../../../drivers/vfio/pci/snapshot/arcs.c"

unsigned int nondet_uint(void);
int nondet_int(void);

#define assume(cond)	__CPROVER_assume(cond)
#define prove(cond)	__CPROVER_assert(cond, #cond)

/* The feature sets that the uAPI defines. */
static unsigned int any_features(void)
{
	unsigned int features = nondet_uint();

	assume(features == VFIO_MIGRATION_STOP_COPY ||
	       features == (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P) ||
	       features == (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY) ||
	       features == (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY));
	return features;
}

static int is_saving(unsigned int state)
{
	return state == VFIO_DEVICE_STATE_STOP_COPY || state == VFIO_DEVICE_STATE_PRE_COPY ||
	       state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

/*
 * A walk has no first step, or it reaches @to and passes neither ERROR nor a state
 * whose stream data would be lost.
 */
void proof_walk_ends_and_loses_nothing(void)
{
	unsigned int features = any_features(), from = nondet_uint(), to = nondet_uint();
	const struct snapshot_arc *arc = snapshot_arc_next(from, to, features);
	unsigned int state = from, steps;

	if (!arc)
		return;
	prove(from < VFIO_DEVICE_STATE_NR && to < VFIO_DEVICE_STATE_NR && from != to);
	for (steps = 0; steps < 4 && state != to; steps++) {
		if (steps)
			arc = snapshot_arc_next(state, to, features);
		prove(arc);
		prove(arc->from == state);
		prove((arc->with & ~features) == 0 && (arc->without & features) == 0);
		state = arc->to;
		prove(state != VFIO_DEVICE_STATE_ERROR);
		prove(state == to || state != VFIO_DEVICE_STATE_RESUMING);
		prove(state == to ||
		      is_saving(state) == (is_saving(from) && is_saving(to)));
	}
	prove(state == to);
}

/*
 * No shorter sequence of legal arcs reaches @to without a loss. A walk has at most
 * four steps, so a shorter sequence has at most three.
 */
void proof_walk_is_shortest(void)
{
	unsigned int features = any_features(), from = nondet_uint(), to = nondet_uint();
	unsigned int other = from, state = from, steps;

	assume(from < VFIO_DEVICE_STATE_NR && to < VFIO_DEVICE_STATE_NR && from != to);
	for (steps = 0; steps < 3 && other != to; steps++) {
		unsigned int i = nondet_uint();
		const struct snapshot_arc *arc;

		assume(i < ARRAY_SIZE(snapshot_arcs));
		arc = &snapshot_arcs[i];
		assume(arc->from == other && (arc->with & ~features) == 0 &&
		       (arc->without & features) == 0);
		other = arc->to;
		assume(other == to || (other != VFIO_DEVICE_STATE_RESUMING &&
				       is_saving(other) == (is_saving(from) && is_saving(to))));
		if (state != to) {
			arc = snapshot_arc_next(state, to, features);
			if (arc)
				state = arc->to;
		}
	}
	if (other == to)
		prove(state == to);
}

/* The query ends, stays within its arrays and agrees with snapshot_arc_next(). */
void proof_query_tells_the_walk(void)
{
	unsigned int features = any_features();
	struct vfio_device_feature_mig_arc query = { nondet_uint(), nondet_uint(), 0, 0 };
	unsigned int from = query.from, to = query.to;
	const struct snapshot_arc *arc = snapshot_arc_next(from, to, features);

	if (snapshot_arc_query(features, &query)) {
		prove(from >= VFIO_DEVICE_STATE_NR || to >= VFIO_DEVICE_STATE_NR);
		return;
	}
	prove(query.from == from && query.to == to);
	prove(from < VFIO_DEVICE_STATE_NR && to < VFIO_DEVICE_STATE_NR);
	if (from == to)
		return;
	prove(query.next == (arc ? arc->to : VFIO_DEVICE_STATE_ERROR));
	prove(!(query.flags & VFIO_MIG_ARC_SUPPORTED) == !arc);
	prove(!(query.flags & VFIO_MIG_ARC_DIRECT) == !(arc && arc->to == to));
}

/* No walk leaves ERROR and none leads to it. */
void proof_error_is_left_by_reset_only(void)
{
	unsigned int features = any_features(), other = nondet_uint();

	prove(!snapshot_arc_next(VFIO_DEVICE_STATE_ERROR, other, features));
	prove(!snapshot_arc_next(other, VFIO_DEVICE_STATE_ERROR, features));
}

/* The state after an arc is from, to or ERROR, and the device is at its level. */
void proof_settled_state_is_true(void)
{
	unsigned int i = nondet_uint();
	enum vfio_snapshot_level now = nondet_uint();
	const struct snapshot_arc *arc;
	enum vfio_device_mig_state state;
	int err = nondet_int();

	assume(i < ARRAY_SIZE(snapshot_arcs) && now <= VFIO_SNAPSHOT_UNKNOWN);
	arc = &snapshot_arcs[i];
	state = snapshot_arc_settle(arc, err, now);

	prove(state == arc->from || state == arc->to || state == VFIO_DEVICE_STATE_ERROR);
	prove(state == VFIO_DEVICE_STATE_ERROR || snapshot_state_level(state) == now);
	prove(state != arc->to || !err);
	prove(state != arc->from || err);
	/* A failed exit from RESUMING is ERROR; success at the right level never is. */
	prove(!err || arc->from != VFIO_DEVICE_STATE_RESUMING || state == VFIO_DEVICE_STATE_ERROR);
	prove(err || now != arc->level || state == arc->to);
}

/* The level and action of a row follow from its states. */
void proof_rows_are_consistent(void)
{
	unsigned int i = nondet_uint();
	const struct snapshot_arc *arc;

	assume(i < ARRAY_SIZE(snapshot_arcs));
	arc = &snapshot_arcs[i];
	prove(arc->level == snapshot_state_level(arc->to));
	prove(snapshot_action_opens(arc->action) ==
	      ((is_saving(arc->to) && !is_saving(arc->from)) || arc->to == VFIO_DEVICE_STATE_RESUMING));
	prove((arc->action == SNAPSHOT_SAVE_CLOSE) ==
	      (is_saving(arc->from) && !is_saving(arc->to)));
	prove((arc->action == SNAPSHOT_LOAD_CLOSE) == (arc->from == VFIO_DEVICE_STATE_RESUMING));
	prove((arc->action == SNAPSHOT_SAVE_FINISH) ==
	      (is_saving(arc->from) && arc->to == VFIO_DEVICE_STATE_STOP_COPY));
}

static bool runs(enum vfio_device_mig_state state)
{
	return snapshot_state_level(state) == VFIO_SNAPSHOT_RUN;
}

static unsigned int commands;

static enum vfio_snapshot_level any_level(void)
{
	enum vfio_snapshot_level level = nondet_uint();

	commands++;
	assume(level <= VFIO_SNAPSHOT_UNKNOWN);
	return level;
}

/* As the core does it: one step back if that is needed. */
static int any_quiesce(struct snapshot_walker *walker, enum vfio_snapshot_level want,
		       enum vfio_snapshot_level back)
{
	int err = nondet_int();

	walker->level = any_level();
	assume(err || walker->level == want);
	if (err && walker->level != back)
		walker->level = any_level();
	return err;
}

static int any_act(struct snapshot_walker *walker, enum snapshot_action action)
{
	(void)walker;
	return action == SNAPSHOT_SAVE_CLOSE ? 0 : nondet_int();
}

/*
 * Whatever the firmware answers to the commands of an arc, the state is from, to or
 * ERROR, the device is at its level, and the arc takes at most two commands.
 */
void proof_taken_arc_leaves_the_truth(void)
{
	struct snapshot_walker walker = { .quiesce = any_quiesce, .act = any_act };
	unsigned int i = nondet_uint();
	const struct snapshot_arc *arc;
	enum vfio_device_mig_state state;
	int err;

	assume(i < ARRAY_SIZE(snapshot_arcs));
	arc = &snapshot_arcs[i];
	walker.level = snapshot_state_level(arc->from);
	walker.whole = nondet_int();
	commands = 0;
	state = snapshot_arc_take(arc, &walker, &err);

	prove(state == arc->from || state == arc->to || state == VFIO_DEVICE_STATE_ERROR);
	prove((state == arc->to) == !err);
	prove(state == VFIO_DEVICE_STATE_ERROR || walker.level == snapshot_state_level(state));
	prove(!err || arc->from != VFIO_DEVICE_STATE_RESUMING || state == VFIO_DEVICE_STATE_ERROR);
	/* Except after RESUMING, ERROR means that the level is not that of from. */
	prove(state != VFIO_DEVICE_STATE_ERROR || arc->from == VFIO_DEVICE_STATE_RESUMING ||
	      walker.level != snapshot_state_level(arc->from));
	prove(commands <= 2);
	/* An arc that starts or stops the device sends a command. */
	prove(err || commands || runs(arc->from) == runs(arc->to));
}
