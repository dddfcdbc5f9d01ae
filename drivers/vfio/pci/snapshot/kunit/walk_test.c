// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks over the arcs: all pairs of states, every operation failing in turn,
 * resets in between.
 */
#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "fake.h"

#define CAP_NDMA	VFIO_SNAPSHOT_CAP_NDMA
#define CAP_STOPS	VFIO_SNAPSHOT_CAP_NDMA_STOPS
#define CAP_PRECOPY	VFIO_SNAPSHOT_CAP_PRECOPY

static const struct set {
	const char *name;
	unsigned int caps;
} sets[] = {
	{ "stop-copy", 0 },
	{ "stop-copy and NDMA", CAP_NDMA },
	{ "stop-copy and precopy", CAP_PRECOPY },
	{ "all", CAP_NDMA | CAP_PRECOPY },
	{ "all, halts as a whole", CAP_NDMA | CAP_PRECOPY | CAP_STOPS },
};

KUNIT_ARRAY_PARAM_DESC(caps, sets, name);

/* The states, as the uAPI describes them: a second opinion on the arc table */
static const struct {
	const char *name;
	unsigned int needs;
	enum vfio_snapshot_level level;
} states[SNAPSHOT_NR_STATES] = {
	[SNAPSHOT_ERROR] = { "ERROR", 0, VFIO_SNAPSHOT_UNKNOWN },
	[SNAPSHOT_STOP] = { "STOP", 0, VFIO_SNAPSHOT_STOP },
	[SNAPSHOT_RUNNING] = { "RUNNING", 0, VFIO_SNAPSHOT_RUN },
	[SNAPSHOT_STOP_COPY] = { "STOP_COPY", 0, VFIO_SNAPSHOT_STOP },
	[SNAPSHOT_RESUMING] = { "RESUMING", 0, VFIO_SNAPSHOT_STOP },
	[SNAPSHOT_RESUMING_NDMA] = { "RUNNING_P2P", CAP_NDMA, VFIO_SNAPSHOT_NDMA },
	[SNAPSHOT_PRECOPY] = { "PRE_COPY", CAP_PRECOPY, VFIO_SNAPSHOT_RUN },
	[SNAPSHOT_PRECOPY_NDMA] = { "PRE_COPY_P2P", CAP_NDMA | CAP_PRECOPY,
				    VFIO_SNAPSHOT_NDMA },
};

struct walks {
	struct fake *fake;
	u8 *stream;
	size_t len;
	struct file *file;
};

/* An open device, and a stream that it takes. */
static struct walks *begin(struct kunit *test, unsigned int caps)
{
	struct walks *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->stream = kunit_kzalloc(test, FAKE_MAX_IMAGE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->stream);
	w->fake = fake_make(test, caps);
	fake_open(w->fake);
	w->len = fake_save(w->fake, w->stream, FAKE_MAX_IMAGE);
	KUNIT_ASSERT_GT(test, w->len, w->fake->state_len);
	/* The session's end is not to come in between later. */
	snapshot_mig_end(w->fake->sdev.mig);
	return w;
}

static void put_file(struct walks *w)
{
	if (w->file)
		fake_put(w->file);
	w->file = NULL;
}

static void end(struct walks *w)
{
	fake_close(w->fake);
	put_file(w);
	fake_drop(w->fake);
}

/* To @state; a stream that is to be loaded is loaded. */
static int go(struct walks *w, enum snapshot_state state)
{
	struct file *file = NULL;
	int err = fake_set(w->fake, state, &file);

	if (file) {
		put_file(w);
		w->file = file;
		if (fake_get(w->fake) == SNAPSHOT_RESUMING) {
			w->fake->loaded_len = 0;
			fake_write(file, w->stream, w->len, w->len);
		}
	}
	return err;
}

static void reset(struct walks *w)
{
	struct fake *fake = w->fake;

	snapshot_mig_reset_prepare(fake->sdev.mig);
	fake->level = VFIO_SNAPSHOT_RUN;
	snapshot_mig_reset_done(fake->sdev.mig);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake), SNAPSHOT_RUNNING);
	put_file(w);
}

/* The state is what the device does, and ERROR knows nothing of it. */
static void expect_true_state(struct fake *fake)
{
	enum snapshot_state state = fake_get(fake);

	if (state != SNAPSHOT_ERROR)
		KUNIT_EXPECT_TRUE_MSG(fake->test, fake_is_at(fake, states[state].level),
				      "%s", states[state].name);
}

/* Whether VFIO's own table leads from @from to @to. */
static bool vfio_leads(struct fake *fake, unsigned int from, unsigned int to)
{
	enum vfio_device_mig_state next = (enum vfio_device_mig_state)from;

	if (to == SNAPSHOT_ERROR)
		return false;
	while (next != (enum vfio_device_mig_state)to)
		if (vfio_mig_get_next_state(&fake->sdev.core.vdev, next,
					    (enum vfio_device_mig_state)to, &next))
			return false;
	return true;
}

static void all_pairs(struct kunit *test)
{
	const struct set *set = test->param_value;
	struct walks *w = begin(test, set->caps);
	struct fake *fake = w->fake;
	unsigned int from, to;

	for (from = SNAPSHOT_STOP; from < SNAPSHOT_NR_STATES; from++) {
		if (states[from].needs & ~set->caps) {
			KUNIT_EXPECT_EQ(test, fake_set(fake, from, NULL), -EINVAL);
			continue;
		}
		for (to = 0; to < SNAPSHOT_NR_STATES; to++) {
			bool leads = vfio_leads(fake, from, to);

			KUNIT_ASSERT_EQ(test, go(w, from), 0);
			KUNIT_EXPECT_EQ_MSG(test, go(w, to), leads ? 0 : -EINVAL,
					    "%s to %s", states[from].name,
					    states[to].name);
			KUNIT_EXPECT_EQ(test, fake_get(fake), leads ? to : from);
			expect_true_state(fake);
			reset(w);
		}
	}
	KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_NR_STATES, NULL), -EINVAL);
	end(w);
}

/* Walks that together take every arc */
static const enum snapshot_state saves[] = {
	SNAPSHOT_PRECOPY, SNAPSHOT_PRECOPY_NDMA, SNAPSHOT_STOP_COPY, SNAPSHOT_STOP,
	SNAPSHOT_STOP_COPY, SNAPSHOT_RUNNING, SNAPSHOT_RESUMING_NDMA,
	SNAPSHOT_PRECOPY_NDMA, SNAPSHOT_PRECOPY, SNAPSHOT_RUNNING,
};

static const enum snapshot_state loads[] = {
	SNAPSHOT_RESUMING, SNAPSHOT_STOP, SNAPSHOT_RESUMING, SNAPSHOT_RUNNING,
};

static const struct failure {
	const char *name;
	enum snapshot_command command;
	enum vfio_snapshot_level level;
	const enum snapshot_state *walk;
	unsigned int steps;
} failures[] = {
	{ "quiesce, runs", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_RUN,
	  saves, ARRAY_SIZE(saves) },
	{ "quiesce, ndma", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_NDMA,
	  saves, ARRAY_SIZE(saves) },
	{ "quiesce, stopped", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_STOP,
	  saves, ARRAY_SIZE(saves) },
	{ "quiesce, unknown", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN,
	  saves, ARRAY_SIZE(saves) },
	{ "session_begin", SNAPSHOT_CMD_SESSION_BEGIN, 0, saves, ARRAY_SIZE(saves) },
	{ "estimate", SNAPSHOT_CMD_ESTIMATE, 0, saves, ARRAY_SIZE(saves) },
	{ "buf_map", SNAPSHOT_CMD_BUF_MAP, 0, saves, ARRAY_SIZE(saves) },
	{ "save", SNAPSHOT_CMD_SAVE, 0, saves, ARRAY_SIZE(saves) },
	{ "quiesce of a load", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN,
	  loads, ARRAY_SIZE(loads) },
	{ "session_begin of a load", SNAPSHOT_CMD_SESSION_BEGIN, 0,
	  loads, ARRAY_SIZE(loads) },
	{ "buf_map of a load", SNAPSHOT_CMD_BUF_MAP, 0, loads, ARRAY_SIZE(loads) },
	{ "load", SNAPSHOT_CMD_LOAD, 0, loads, ARRAY_SIZE(loads) },
	{ "load_end", SNAPSHOT_CMD_LOAD_END, 0, loads, ARRAY_SIZE(loads) },
};

KUNIT_ARRAY_PARAM_DESC(failure, failures, name);

/* Takes the walk; false when the failure did not come any more. */
static bool fail_nth(struct walks *w, const struct failure *failure, unsigned int nth)
{
	struct fake *fake = w->fake;
	unsigned int calls = fake->calls[failure->command] + nth;
	unsigned int i;
	int err = 0;

	fake_fail(fake, failure->command, nth, -EREMOTEIO, failure->level);
	for (i = 0; i < failure->steps && !err; i++) {
		err = go(w, failure->walk[i]);
		expect_true_state(fake);
	}
	if (fake->calls[failure->command] < calls) {
		KUNIT_EXPECT_EQ(fake->test, err, 0);
		return false;
	}
	/* A second try would have been another command. */
	KUNIT_EXPECT_EQ(fake->test, err, -EREMOTEIO);
	fake->fail_nth = 0;
	if (fake_get(fake) == SNAPSHOT_ERROR) {
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, SNAPSHOT_RUNNING, NULL),
				-EINVAL);
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, SNAPSHOT_ERROR, NULL),
				-EINVAL);
	} else if (fake_get(fake) != SNAPSHOT_RESUMING) {
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, SNAPSHOT_RUNNING, NULL), 0);
		expect_true_state(fake);
	}
	reset(w);
	return true;
}

static void every_failure(struct kunit *test)
{
	const struct failure *failure = test->param_value;
	struct walks *w = begin(test, CAP_NDMA | CAP_PRECOPY);
	unsigned int nth = 1;

	while (nth < 40 && fail_nth(w, failure, nth))
		nth++;
	/* At least one came, and an end was reached. */
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_LT(test, nth, 40);
	reset(w);
	/* Unmapped is what was mapped: the failures were not. */
	if (failure->command == SNAPSHOT_CMD_BUF_MAP)
		w->fake->calls[SNAPSHOT_CMD_BUF_MAP] -= nth - 2;
	else
		w->fake->fail = SNAPSHOT_NR_COMMANDS;
	end(w);
}

/* A device at the level of an arc that fails later is brought back. */
static void a_failed_arc_is_taken_back(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, SNAPSHOT_PRECOPY), 0);
	memset(fake->order, 0, sizeof(fake->order));
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, -EIO, 0);
	KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_STOP_COPY, NULL), -EIO);
	KUNIT_EXPECT_STREQ(test, fake->order, "qmSq");
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_PRECOPY);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	end(w);
}

static const struct blackout {
	const char *name;
	unsigned int caps;
	const char *order;
} blackouts[] = {
	{ "without NDMA", 0, "qS" },
	{ "with NDMA", CAP_NDMA, "qqS" },
	{ "with NDMA, halts as a whole", CAP_NDMA | CAP_STOPS, "qS" },
};

KUNIT_ARRAY_PARAM_DESC(blackout, blackouts, name);

/* The source's share of it */
static void nothing_else_in_the_blackout(struct kunit *test)
{
	const struct blackout *blackout = test->param_value;
	struct walks *w = begin(test, blackout->caps | CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, SNAPSHOT_PRECOPY), 0);
	fake_read(w->file, w->stream, FAKE_MAX_IMAGE, 4096);
	memset(fake->order, 0, sizeof(fake->order));
	if (blackout->caps & CAP_NDMA)
		KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_PRECOPY_NDMA, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_STREQ(test, fake->order, blackout->order);
	end(w);
}

static void reset_now(struct fake *fake)
{
	fake->fail_nth = 0;
	snapshot_mig_reset_done(fake->sdev.mig);
}

static void reset_and_fail_next(struct fake *fake)
{
	reset_now(fake);
	fake->during = NULL;
	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, -EIO, VFIO_SNAPSHOT_UNKNOWN);
}

/* The quiesce that is under way reaches the device after the reset. */
static void a_reset_within_a_command(struct kunit *test)
{
	struct walks *w = begin(test, 0);
	struct fake *fake = w->fake;

	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, 0, 0);
	fake->during = reset_now;
	memset(fake->order, 0, sizeof(fake->order));
	fake_set(fake, SNAPSHOT_STOP, NULL);
	KUNIT_EXPECT_STREQ(test, fake->order, "qq");
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	end(w);
}

static void expect_running(struct fake *fake)
{
	fake->fail_nth = 0;
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake), SNAPSHOT_RUNNING);
}

/* The device is reset already, and its driver not told yet: that takes 100 ms. */
static void a_command_before_the_news_of_a_reset(struct kunit *test)
{
	struct walks *w = begin(test, 0);
	struct fake *fake = w->fake;
	struct snapshot_mig *mig = fake->sdev.mig;

	snapshot_mig_reset_prepare(mig);
	KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_STOP, NULL), 0);
	/* It is not told to be where it was, however long it is made to run. */
	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, 0, 0);
	fake->during = expect_running;
	snapshot_mig_reset_done(mig);
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
	flush_work(&mig->reset_work);
	KUNIT_EXPECT_EQ(test, fake->fail_nth, 0);
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);

	/* Without one, nothing is told to the device. */
	memset(fake->order, 0, sizeof(fake->order));
	snapshot_mig_reset_prepare(mig);
	snapshot_mig_reset_done(mig);
	flush_work(&mig->reset_work);
	KUNIT_EXPECT_STREQ(test, fake->order, "");
	end(w);
}

/* Who asks for a state then asks a device that was reset. */
static void a_reset_comes_before_what_is_asked_after_it(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;
	struct snapshot_mig *mig = fake->sdev.mig;

	snapshot_mig_reset_prepare(mig);
	KUNIT_EXPECT_EQ(test, go(w, SNAPSHOT_STOP_COPY), 0);
	snapshot_mig_reset_done(mig);
	KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_RUNNING, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_EQ(test, fake_read(w->file, w->stream, 10, 10), -ENODEV);
	end(w);
}

static void a_reset_after_which_the_device_does_not_run(struct kunit *test)
{
	struct walks *w = begin(test, 0);
	struct fake *fake = w->fake;

	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, 0, 0);
	fake->during = reset_and_fail_next;
	fake_set(fake, SNAPSHOT_STOP, NULL);
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_ERROR);
	fake->fail_nth = 0;
	reset(w);
	end(w);
}

/* The stream dies with the session, its memory and objects go, the file stays. */
static void a_reset_within_a_save(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, SNAPSHOT_PRECOPY), 0);
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, 0, 0);
	fake->during = reset_now;
	fake_set(fake, SNAPSHOT_STOP_COPY, NULL);
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_EQ(test, fake_read(w->file, w->stream, 10, 10), -ENODEV);
	end(w);
}

/* In every state; and only its return ends that, no reset does. */
static void a_device_whose_firmware_goes_away(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;
	unsigned int state;

	for (state = 0; state < SNAPSHOT_NR_STATES; state++) {
		unsigned int calls;

		if (fake_set(fake, state, NULL))
			continue;
		snapshot_mig_detached(fake->sdev.mig);
		calls = fake->calls[SNAPSHOT_CMD_QUIESCE];
		KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_ERROR);
		KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_RUNNING, NULL), -EINVAL);
		snapshot_mig_reset_done(fake->sdev.mig);
		KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_ERROR);
		KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_STOP, NULL), -EINVAL);
		KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_QUIESCE], calls);
		snapshot_mig_attached(fake->sdev.mig);
		KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
		KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_STOP, NULL), 0);
		KUNIT_EXPECT_EQ(test, fake_set(fake, SNAPSHOT_RUNNING, NULL), 0);
	}
	end(w);
}

static void a_device_that_does_not_run_is_made_to(struct kunit *test)
{
	struct fake *fake = fake_make(test, 0);

	fake_open(fake);
	KUNIT_ASSERT_EQ(test, fake_set(fake, SNAPSHOT_STOP, NULL), 0);
	/* One whose function cannot be reset */
	fake->sdev.core.needs_reset = true;
	fake_close(fake);
	fake_open(fake);
	KUNIT_EXPECT_EQ(test, fake_get(fake), SNAPSHOT_RUNNING);
	fake->sdev.core.needs_reset = false;
	fake_close(fake);
	fake_drop(fake);
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM(all_pairs, caps_gen_params),
	KUNIT_CASE_PARAM(every_failure, failure_gen_params),
	KUNIT_CASE(a_failed_arc_is_taken_back),
	KUNIT_CASE_PARAM(nothing_else_in_the_blackout, blackout_gen_params),
	KUNIT_CASE(a_reset_within_a_command),
	KUNIT_CASE(a_command_before_the_news_of_a_reset),
	KUNIT_CASE(a_reset_comes_before_what_is_asked_after_it),
	KUNIT_CASE(a_reset_after_which_the_device_does_not_run),
	KUNIT_CASE(a_reset_within_a_save),
	KUNIT_CASE(a_device_whose_firmware_goes_away),
	KUNIT_CASE(a_device_that_does_not_run_is_made_to),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "vfio_snapshot_walk",
	.test_cases = walk_cases,
};

kunit_test_suite(walk_suite);
