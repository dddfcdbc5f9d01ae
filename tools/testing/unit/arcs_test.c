// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the walks of arcs.c with fsm_expect.h, for all pairs of states and all
 * feature sets, and checks levels, streams and failures of each row.
 */
#include <errno.h>
#include <string.h>
#include <linux/array_size.h>
#include <uapi/linux/vfio_snapshot.h>

#include "arcs.h"

#include "fsm_expect.h"
#include "tap.h"

/*
 * The uAPI's values and names, by hand: tools/include defines some for old headers, and the log
 * and the tracepoints print the names.
 */
static const struct {
	unsigned int value;
	unsigned int here;
	const char *name;
} values[] = {
	{ 0, VFIO_DEVICE_STATE_ERROR, "ERROR" },
	{ 1, VFIO_DEVICE_STATE_STOP, "STOP" },
	{ 2, VFIO_DEVICE_STATE_RUNNING, "RUNNING" },
	{ 3, VFIO_DEVICE_STATE_STOP_COPY, "STOP_COPY" },
	{ 4, VFIO_DEVICE_STATE_RESUMING, "RESUMING" },
	{ 5, VFIO_DEVICE_STATE_RUNNING_P2P, "RUNNING_P2P" },
	{ 6, VFIO_DEVICE_STATE_PRE_COPY, "PRE_COPY" },
	{ 7, VFIO_DEVICE_STATE_PRE_COPY_P2P, "PRE_COPY_P2P" },
	{ 8, VFIO_DEVICE_STATE_NR, "invalid" },
};

enum level { RUN, NDMA, STOPPED, NONE };

/* For each state: the level, and which stream is open */
static const struct {
	enum level level;
	bool saving;
	bool resuming;
} what[FSM_STATES] = {
	[0] = { .level = NONE },
	[1] = { .level = STOPPED },
	[2] = { .level = RUN },
	[3] = { .level = STOPPED, .saving = true },
	[4] = { .level = STOPPED, .resuming = true },
	[5] = { .level = NDMA },
	[6] = { .level = RUN, .saving = true },
	[7] = { .level = NDMA, .saving = true },
};

static const enum vfio_snapshot_level level_here[] = {
	[RUN] = VFIO_SNAPSHOT_RUN,
	[NDMA] = VFIO_SNAPSHOT_NDMA,
	[STOPPED] = VFIO_SNAPSHOT_STOP,
	[NONE] = VFIO_SNAPSHOT_UNKNOWN,
};

static unsigned int features_of(unsigned int set)
{
	unsigned int features = VFIO_MIGRATION_STOP_COPY;

	if (set & FSM_P2P)
		features |= VFIO_MIGRATION_P2P;
	if (set & FSM_PRECOPY)
		features |= VFIO_MIGRATION_PRE_COPY;
	return features;
}

#define for_each_pair(set, from, to) \
	for ((set) = 0; (set) < 4; (set)++) \
		for ((from) = 0; (from) < FSM_STATES; (from)++) \
			for ((to) = 0; (to) < FSM_STATES; (to)++)

static void states_have_the_values_and_names_of_the_uapi(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		CHECK(values[i].value == values[i].here, "value %u", values[i].value);
		CHECK(!strcmp(snapshot_state_name(i), values[i].name), "%u is %s, want %s", i,
		      snapshot_state_name(i), values[i].name);
	}
}

static void feature_bits_have_the_values_of_the_uapi(void)
{
	CHECK(VFIO_MIGRATION_STOP_COPY == 1, "STOP_COPY");
	CHECK(VFIO_MIGRATION_P2P == 2, "P2P");
	CHECK(VFIO_MIGRATION_PRE_COPY == 4, "PRE_COPY");
}

static void every_walk_is_the_written_out_path(void)
{
	unsigned int set, from, to;

	for_each_pair(set, from, to) {
		const char *want = fsm_expect[set][from][to];
		char path[FSM_STATES + 2];
		unsigned int n = 0, at = from;

		if (from == to)
			continue;
		path[n++] = FSM_LETTERS[from];
		while (at != to && n <= FSM_STATES) {
			const struct snapshot_arc *arc;

			arc = snapshot_arc_next(at, to, features_of(set));
			if (!arc)
				break;
			CHECK(arc->from == at, "a row of another state");
			at = arc->to;
			path[n++] = FSM_LETTERS[at];
		}
		path[n] = '\0';
		CHECK(at == to || n == 1, "set %u: the walk %s stops short", set,
		      path);
		CHECK(n <= FSM_STATES, "set %u: the walk %s... never ends", set,
		      path);
		CHECK(!strcmp(want, at == to ? path : "-"),
		      "set %u, %c to %c: want %s, have %s", set,
		      FSM_LETTERS[from], FSM_LETTERS[to], want,
		      at == to ? path : "-");
	}
}

static void the_query_tells_first_step_length_and_data_fd(void)
{
	unsigned int set, from, to;

	for_each_pair(set, from, to) {
		struct vfio_device_feature_mig_arc query = {
			.from = from, .to = to, .next = ~0u, .flags = ~0u,
		};
		const char *want = fsm_expect[set][from][to];
		unsigned int next = from == to ? to : VFIO_DEVICE_STATE_ERROR, flags = 0;

		if (*want != '-') {
			next = fsm_state_of(want[from != to]);
			flags = VFIO_MIG_ARC_SUPPORTED;
			if (strlen(want) == 2)
				flags |= VFIO_MIG_ARC_DIRECT;
			if (from != to && (what[to].resuming ||
					   (what[to].saving && !what[from].saving)))
				flags |= VFIO_MIG_ARC_DATA_FD;
		}
		CHECK(!snapshot_arc_query(features_of(set), &query), "set %u", set);
		CHECK(query.next == next, "set %u, %c to %c: next is %u", set,
		      FSM_LETTERS[from], FSM_LETTERS[to], query.next);
		CHECK(query.flags == flags, "set %u, %c to %c: flags are %#x", set,
		      FSM_LETTERS[from], FSM_LETTERS[to], query.flags);
	}
}

static void a_state_to_itself_is_no_arc(void)
{
	unsigned int set, state;

	for (set = 0; set < 4; set++)
		for (state = 0; state < FSM_STATES; state++)
			CHECK(!snapshot_arc_next(state, state,
						 features_of(set)),
			      "set %u, state %u", set, state);
}

static void numbers_that_are_no_state_have_no_arc(void)
{
	static const unsigned int none[] = { 8, 9, 31, 32, 33, 255, 256,
					     0x7fffffff, 0x80000000,
					     0xfffffff8, 0xffffffff };
	unsigned int set, state, i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		for (set = 0; set < 4; set++) {
			unsigned int f = features_of(set);

			CHECK(!snapshot_state_exists(none[i], f), "%#x",
			      none[i]);
			CHECK(!snapshot_arc_next(none[i], none[i], f), "%#x",
			      none[i]);
			for (state = 0; state < FSM_STATES; state++) {
				struct vfio_device_feature_mig_arc to = { state, none[i], 0, 0 };
				struct vfio_device_feature_mig_arc from = { none[i], state, 0, 0 };

				CHECK(snapshot_arc_query(f, &to) == -EINVAL, "to %#x", none[i]);
				CHECK(snapshot_arc_query(f, &from) == -EINVAL, "from %#x",
				      none[i]);
				CHECK(!snapshot_arc_next(state, none[i], f),
				      "to %#x", none[i]);
				CHECK(!snapshot_arc_next(none[i], state, f),
				      "from %#x", none[i]);
			}
		}
		CHECK(!strcmp(snapshot_state_name(none[i]), "invalid"), "%#x",
		      none[i]);
	}
}

static void states_exist_with_the_features_they_need_and_not_without(void)
{
	unsigned int set, state;

	for (set = 0; set < 4; set++) {
		for (state = 0; state < FSM_STATES; state++) {
			bool want = true;

			if (state == 5 || state == 7)
				want = want && (set & FSM_P2P);
			if (state == 6 || state == 7)
				want = want && (set & FSM_PRECOPY);
			CHECK(snapshot_state_exists(state, features_of(set)) ==
			      want, "set %u, state %u", set, state);
		}
	}
}

static void no_arc_leaves_or_enters_error(void)
{
	unsigned int i;

	for (i = 0; i < snapshot_nr_arcs; i++) {
		CHECK(snapshot_arcs[i].from != VFIO_DEVICE_STATE_ERROR, "row %u", i);
		CHECK(snapshot_arcs[i].to != VFIO_DEVICE_STATE_ERROR, "row %u", i);
	}
}

static void rows_are_unique_in_every_feature_set(void)
{
	unsigned int set, i, k;

	for (set = 0; set < 4; set++) {
		unsigned int f = features_of(set);

		for (i = 0; i < snapshot_nr_arcs; i++) {
			for (k = i + 1; k < snapshot_nr_arcs; k++) {
				const struct snapshot_arc *a = snapshot_arcs + i;
				const struct snapshot_arc *b = snapshot_arcs + k;

				if (a->from != b->from || a->to != b->to)
					continue;
				CHECK((f & a->with) != a->with ||
				      (f & b->with) != b->with ||
				      f & a->without || f & b->without,
				      "set %u, rows %u and %u", set, i, k);
			}
		}
	}
}

static void every_row_is_the_walk_between_its_states(void)
{
	unsigned int i, set;

	for (i = 0; i < snapshot_nr_arcs; i++) {
		const struct snapshot_arc *arc = snapshot_arcs + i;
		bool used = false;

		for (set = 0; set < 4; set++)
			used |= snapshot_arc_next(arc->from, arc->to,
						  features_of(set)) == arc;
		CHECK(used, "row %u, %s to %s", i,
		      snapshot_state_name(arc->from),
		      snapshot_state_name(arc->to));
	}
}

static void levels_are_those_of_the_states(void)
{
	unsigned int i;

	for (i = 0; i < FSM_STATES; i++)
		CHECK(snapshot_state_level(i) == level_here[what[i].level],
		      "state %u", i);
	for (i = 0; i < snapshot_nr_arcs; i++)
		CHECK(snapshot_arcs[i].level ==
		      level_here[what[snapshot_arcs[i].to].level],
		      "row %u enters another level than its state's", i);
}

/* The action that the uAPI demands, from the streams before and after an arc */
static enum snapshot_action wanted_action(unsigned int from, unsigned int to)
{
	if (what[from].resuming)
		return SNAPSHOT_LOAD_CLOSE;
	if (what[to].resuming)
		return SNAPSHOT_LOAD_OPEN;
	if (what[from].saving && !what[to].saving)
		return SNAPSHOT_SAVE_CLOSE;
	if (!what[from].saving && what[to].saving)
		return to == 3 ? SNAPSHOT_SAVE_WHOLE : SNAPSHOT_SAVE_OPEN;
	if (what[from].saving && to == 3)
		return SNAPSHOT_SAVE_FINISH;
	return SNAPSHOT_KEEP;
}

static void streams_open_and_close_where_the_uapi_says(void)
{
	unsigned int i;

	for (i = 0; i < snapshot_nr_arcs; i++) {
		const struct snapshot_arc *arc = snapshot_arcs + i;

		CHECK(arc->action == wanted_action(arc->from, arc->to),
		      "%s to %s", snapshot_state_name(arc->from),
		      snapshot_state_name(arc->to));
	}
}

static void only_the_three_opening_actions_give_a_data_fd(void)
{
	unsigned int i;

	for (i = 0; i <= SNAPSHOT_LOAD_CLOSE; i++)
		CHECK(snapshot_action_opens(i) ==
		      (i == SNAPSHOT_SAVE_OPEN || i == SNAPSHOT_SAVE_WHOLE ||
		       i == SNAPSHOT_LOAD_OPEN), "action %u", i);
}

static void only_the_last_arc_of_a_walk_opens_a_stream(void)
{
	unsigned int set, from, to;

	for_each_pair(set, from, to) {
		unsigned int at = from, steps = 0;

		while (at != to && steps++ < FSM_STATES) {
			const struct snapshot_arc *arc;

			arc = snapshot_arc_next(at, to, features_of(set));
			if (!arc)
				break;
			CHECK(arc->to == to ||
			      !snapshot_action_opens(arc->action),
			      "set %u, %c to %c", set, FSM_LETTERS[from],
			      FSM_LETTERS[to]);
			at = arc->to;
		}
	}
}

static void only_a_failed_exit_from_resuming_is_always_error(void)
{
	unsigned int i;

	for (i = 0; i < snapshot_nr_arcs; i++)
		CHECK((snapshot_arcs[i].failure == SNAPSHOT_BREAKS) ==
		      (snapshot_arcs[i].from == VFIO_DEVICE_STATE_RESUMING), "row %u", i);
}

/* Each row, each level of the device, both results */
static void the_state_after_an_arc_has_the_level_of_the_device(void)
{
	static const enum vfio_snapshot_level all[] = {
		VFIO_SNAPSHOT_RUN, VFIO_SNAPSHOT_NDMA, VFIO_SNAPSHOT_STOP,
		VFIO_SNAPSHOT_UNKNOWN,
	};
	unsigned int i, k;

	for (i = 0; i < snapshot_nr_arcs; i++) {
		const struct snapshot_arc *arc = snapshot_arcs + i;
		enum vfio_snapshot_level from = level_here[what[arc->from].level];
		enum vfio_snapshot_level to = level_here[what[arc->to].level];

		for (k = 0; k < ARRAY_SIZE(all); k++) {
			unsigned int want;

			want = all[k] == to ? arc->to : VFIO_DEVICE_STATE_ERROR;
			CHECK(snapshot_arc_settle(arc, 0, all[k]) == want,
			      "row %u succeeded at level %u", i, all[k]);

			want = arc->from;
			if (all[k] != from || arc->from == VFIO_DEVICE_STATE_RESUMING)
				want = VFIO_DEVICE_STATE_ERROR;
			CHECK(snapshot_arc_settle(arc, -EIO, all[k]) == want,
			      "row %u failed at level %u", i, all[k]);
		}
	}
}

int main(void)
{
	static const struct tap_test tests[] = {
		TAP_TEST(states_have_the_values_and_names_of_the_uapi),
		TAP_TEST(feature_bits_have_the_values_of_the_uapi),
		TAP_TEST(every_walk_is_the_written_out_path),
		TAP_TEST(the_query_tells_first_step_length_and_data_fd),
		TAP_TEST(a_state_to_itself_is_no_arc),
		TAP_TEST(numbers_that_are_no_state_have_no_arc),
		TAP_TEST(states_exist_with_the_features_they_need_and_not_without),
		TAP_TEST(no_arc_leaves_or_enters_error),
		TAP_TEST(rows_are_unique_in_every_feature_set),
		TAP_TEST(every_row_is_the_walk_between_its_states),
		TAP_TEST(levels_are_those_of_the_states),
		TAP_TEST(streams_open_and_close_where_the_uapi_says),
		TAP_TEST(only_the_three_opening_actions_give_a_data_fd),
		TAP_TEST(only_the_last_arc_of_a_walk_opens_a_stream),
		TAP_TEST(only_a_failed_exit_from_resuming_is_always_error),
		TAP_TEST(the_state_after_an_arc_has_the_level_of_the_device),
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
