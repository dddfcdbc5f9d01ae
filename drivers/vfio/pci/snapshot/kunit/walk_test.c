// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks over the arcs: all pairs of states, a failure of each command in turn, and
 * resets at any time.
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

/* The states as the uAPI describes them, independent of the arc table */
static const struct {
	const char *name;
	unsigned int needs;
	enum vfio_snapshot_level level;
} states[VFIO_DEVICE_STATE_NR] = {
	[VFIO_DEVICE_STATE_ERROR] = { "ERROR", 0, VFIO_SNAPSHOT_UNKNOWN },
	[VFIO_DEVICE_STATE_STOP] = { "STOP", 0, VFIO_SNAPSHOT_STOP },
	[VFIO_DEVICE_STATE_RUNNING] = { "RUNNING", 0, VFIO_SNAPSHOT_RUN },
	[VFIO_DEVICE_STATE_STOP_COPY] = { "STOP_COPY", 0, VFIO_SNAPSHOT_STOP },
	[VFIO_DEVICE_STATE_RESUMING] = { "RESUMING", 0, VFIO_SNAPSHOT_STOP },
	[VFIO_DEVICE_STATE_RUNNING_P2P] = { "RUNNING_P2P", CAP_NDMA, VFIO_SNAPSHOT_NDMA },
	[VFIO_DEVICE_STATE_PRE_COPY] = { "PRE_COPY", CAP_PRECOPY, VFIO_SNAPSHOT_RUN },
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = { "PRE_COPY_P2P", CAP_NDMA | CAP_PRECOPY,
				    VFIO_SNAPSHOT_NDMA },
};

struct walks {
	struct fake *fake;
	u8 *stream;
	size_t len;
	struct file *file;
};

/* An open device, and a stream that it can load. */
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
	/* The teardown of this session must not run within a test. */
	fake_settle(w->fake);
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

/* Sets @state; in RESUMING, loads the stream. */
static int go(struct walks *w, enum vfio_device_mig_state state)
{
	struct file *file = NULL;
	int err = fake_set(w->fake, state, &file);

	if (file) {
		put_file(w);
		w->file = file;
		if (fake_get(w->fake) == VFIO_DEVICE_STATE_RESUMING) {
			w->fake->loaded_len = 0;
			fake_write(file, w->stream, w->len, w->len);
		}
	}
	return err;
}

static void reset(struct walks *w)
{
	struct fake *fake = w->fake;

	fake->level = VFIO_SNAPSHOT_RUN;
	snapshot_mig_reset_done(fake->sdev.mig);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	flush_work(&fake->sdev.mig->event_work);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	put_file(w);
}

/* The device is at the level of its state; in ERROR it may be at any level. */
static void expect_true_state(struct fake *fake)
{
	enum vfio_device_mig_state state = fake_get(fake);

	if (state != VFIO_DEVICE_STATE_ERROR)
		KUNIT_EXPECT_TRUE_MSG(fake->test, fake_is_at(fake, states[state].level),
				      "%s", states[state].name);
}

/* Return: whether VFIO's own table has a way from @from to @to. */
static bool vfio_leads(struct fake *fake, unsigned int from, unsigned int to)
{
	enum vfio_device_mig_state next = (enum vfio_device_mig_state)from;

	if (to == VFIO_DEVICE_STATE_ERROR)
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

	for (from = VFIO_DEVICE_STATE_STOP; from < VFIO_DEVICE_STATE_NR; from++) {
		if (states[from].needs & ~set->caps) {
			KUNIT_EXPECT_EQ(test, fake_set(fake, from, NULL), -EINVAL);
			continue;
		}
		for (to = 0; to < VFIO_DEVICE_STATE_NR; to++) {
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
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_NR, NULL), -EINVAL);
	end(w);
}

/* Together these walks take every arc. */
static const enum vfio_device_mig_state saves[] = {
	VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_STOP_COPY,
	VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_RUNNING,
	VFIO_DEVICE_STATE_RUNNING_P2P,
	VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING,
};

static const enum vfio_device_mig_state loads[] = {
	VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RESUMING,
	VFIO_DEVICE_STATE_RUNNING,
};

static const struct failure {
	const char *name;
	enum snapshot_command command;
	enum vfio_snapshot_level level;
	const enum vfio_device_mig_state *walk;
	unsigned int steps;
	bool arc_succeeds;	/* read() returns the errno, or the image is given up */
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
	{ "estimate", SNAPSHOT_CMD_ESTIMATE, 0, saves, ARRAY_SIZE(saves), true },
	{ "buf_map", SNAPSHOT_CMD_BUF_MAP, 0, saves, ARRAY_SIZE(saves), true },
	{ "save", SNAPSHOT_CMD_SAVE, 0, saves, ARRAY_SIZE(saves), true },
	{ "quiesce of a load", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN,
	  loads, ARRAY_SIZE(loads) },
	{ "session_begin of a load", SNAPSHOT_CMD_SESSION_BEGIN, 0,
	  loads, ARRAY_SIZE(loads) },
	{ "buf_map of a load", SNAPSHOT_CMD_BUF_MAP, 0, loads, ARRAY_SIZE(loads) },
	{ "load", SNAPSHOT_CMD_LOAD, 0, loads, ARRAY_SIZE(loads) },
	{ "load_end", SNAPSHOT_CMD_LOAD_END, 0, loads, ARRAY_SIZE(loads) },
};

KUNIT_ARRAY_PARAM_DESC(failure, failures, name);

/* A walk whose @nth call of the command fails. Return: false if there are fewer calls. */
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
	/* The errno shows that the core does not retry: a second call would succeed. */
	KUNIT_EXPECT_EQ(fake->test, err, failure->arc_succeeds ? 0 : -EREMOTEIO);
	fake->fail_nth = 0;
	if (fake_get(fake) == VFIO_DEVICE_STATE_ERROR) {
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL),
				-EINVAL);
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, VFIO_DEVICE_STATE_ERROR, NULL),
				-EINVAL);
	} else if (fake_get(fake) != VFIO_DEVICE_STATE_RESUMING) {
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
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
	/* At least one call failed, and the last walk had no further call. */
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_LT(test, nth, 40);
	reset(w);
	/* Failed buf_map()s need no buf_unmap(); fake_close() subtracts the first one. */
	if (failure->command == SNAPSHOT_CMD_BUF_MAP)
		w->fake->calls[SNAPSHOT_CMD_BUF_MAP] -= nth - 2;
	else
		w->fake->fail = SNAPSHOT_NR_COMMANDS;
	end(w);
}

/* The device is stopped, so the arc succeeds; read() returns the errno of the save. */
static void a_failed_final_save_is_told_by_read(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, VFIO_DEVICE_STATE_PRE_COPY), 0);
	fake_read(w->file, w->stream, FAKE_MAX_IMAGE, 4096);
	memset(fake->order, 0, sizeof(fake->order));
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, -EIO, 0);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_STREQ(test, fake->order, "qS");
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_STOP_COPY);
	KUNIT_EXPECT_EQ(test, fake_read(w->file, w->stream, FAKE_MAX_IMAGE, 4096), -EIO);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_EQ(test, fake_save(fake, w->stream, FAKE_MAX_IMAGE), w->len);
	end(w);
}

static unsigned int quiesces_after(struct walks *w, enum vfio_device_mig_state to,
				   enum vfio_snapshot_level left_at)
{
	struct fake *fake = w->fake;
	unsigned int calls = fake->calls[SNAPSHOT_CMD_QUIESCE] + 1;

	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, -EIO, left_at);
	KUNIT_EXPECT_EQ(fake->test, fake_set(fake, to, NULL), -EIO);
	return fake->calls[SNAPSHOT_CMD_QUIESCE] - calls;
}

/* At most one quiesce back, and none if the device never left its level. */
static void one_step_back(struct kunit *test)
{
	struct walks *w = begin(test, CAP_NDMA);
	struct fake *fake = w->fake;

	KUNIT_EXPECT_EQ(test, quiesces_after(w, VFIO_DEVICE_STATE_STOP, VFIO_SNAPSHOT_RUN), 0);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, quiesces_after(w, VFIO_DEVICE_STATE_STOP,
					     VFIO_SNAPSHOT_UNKNOWN), 1);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
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

/* Commands to the source in the blackout */
static void nothing_else_in_the_blackout(struct kunit *test)
{
	const struct blackout *blackout = test->param_value;
	struct walks *w = begin(test, blackout->caps | CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, VFIO_DEVICE_STATE_PRE_COPY), 0);
	fake_read(w->file, w->stream, FAKE_MAX_IMAGE, 4096);
	memset(fake->order, 0, sizeof(fake->order));
	if (blackout->caps & CAP_NDMA)
		KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
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

/* The quiesce may reach the device after the reset, so one quiesce(RUN) follows. */
static void a_reset_within_a_command(struct kunit *test)
{
	struct walks *w = begin(test, 0);
	struct fake *fake = w->fake;

	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, 0, 0);
	fake->during = reset_now;
	memset(fake->order, 0, sizeof(fake->order));
	fake_set(fake, VFIO_DEVICE_STATE_STOP, NULL);
	KUNIT_EXPECT_STREQ(test, fake->order, "qq");
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	end(w);
}

static void expect_running(struct fake *fake)
{
	fake->fail_nth = 0;
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
}

/* A reset takes 100 ms; a command may reach the device before the core learns of it. */
static void a_command_before_the_news_of_a_reset(struct kunit *test)
{
	struct walks *w = begin(test, 0);
	struct fake *fake = w->fake;
	struct snapshot_mig *mig = fake->sdev.mig;

	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP, NULL), 0);
	/* get_state says RUNNING, however long the quiesce(RUN) takes. */
	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, 0, 0);
	fake->during = expect_running;
	snapshot_mig_reset_done(mig);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	flush_work(&mig->event_work);
	KUNIT_EXPECT_EQ(test, fake->fail_nth, 0);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);

	/* A device that is at RUN gets no command. */
	memset(fake->order, 0, sizeof(fake->order));
	snapshot_mig_reset_done(mig);
	flush_work(&mig->event_work);
	KUNIT_EXPECT_STREQ(test, fake->order, "");
	end(w);
}

/* A state change after a reset starts from RUNNING, and the data fd is dead. */
static void a_reset_comes_before_what_is_asked_after_it(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;
	struct snapshot_mig *mig = fake->sdev.mig;

	KUNIT_EXPECT_EQ(test, go(w, VFIO_DEVICE_STATE_STOP_COPY), 0);
	snapshot_mig_reset_done(mig);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
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
	fake_set(fake, VFIO_DEVICE_STATE_STOP, NULL);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_ERROR);
	fake->fail_nth = 0;
	reset(w);
	end(w);
}

/* The session ends with the reset; the file stays, but it is dead. */
static void a_reset_within_a_save(struct kunit *test)
{
	struct walks *w = begin(test, CAP_PRECOPY);
	struct fake *fake = w->fake;

	KUNIT_ASSERT_EQ(test, go(w, VFIO_DEVICE_STATE_PRE_COPY), 0);
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, 0, 0);
	fake->during = reset_now;
	fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_EQ(test, fake_read(w->file, w->stream, 10, 10), -ENODEV);
	end(w);
}

/* Loss of the firmware: RUNNING stays, any other state becomes ERROR, which a reset leaves. */
static void a_device_whose_firmware_goes_away(struct kunit *test)
{
	struct walks *w = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = w->fake;
	unsigned int state;

	for (state = VFIO_DEVICE_STATE_STOP; state < VFIO_DEVICE_STATE_NR; state++) {
		bool running = state == VFIO_DEVICE_STATE_RUNNING;

		KUNIT_ASSERT_EQ(test, go(w, state), 0);
		snapshot_mig_lost(fake->sdev.mig);
		KUNIT_EXPECT_EQ(test, fake_get(fake), running ? VFIO_DEVICE_STATE_RUNNING :
				VFIO_DEVICE_STATE_ERROR);
		if (state == VFIO_DEVICE_STATE_RESUMING)
			KUNIT_EXPECT_EQ(test, fake_write(w->file, w->stream, 1, 1), -ENODEV);
		else if (w->file)
			KUNIT_EXPECT_EQ(test, fake_read(w->file, w->stream, 1, 1), -ENODEV);
		/* Without firmware, the quiesce(RUN) after a reset fails. */
		fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, -ENODEV, VFIO_SNAPSHOT_UNKNOWN);
		snapshot_mig_reset_done(fake->sdev.mig);
		flush_work(&fake->sdev.mig->event_work);
		KUNIT_EXPECT_EQ(test, fake_get(fake), running ? VFIO_DEVICE_STATE_RUNNING :
				VFIO_DEVICE_STATE_ERROR);
		fake->fail_nth = 0;
		reset(w);
	}
	end(w);
}

static void a_device_that_does_not_run_is_made_to(struct kunit *test)
{
	struct fake *fake = fake_make(test, 0);

	fake_open(fake);
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP, NULL), 0);
	/* The function cannot be reset, so the core has to send quiesce(RUN). */
	fake->sdev.core.needs_reset = true;
	fake_close(fake);
	fake_open(fake);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_RUNNING);
	fake->sdev.core.needs_reset = false;
	fake_close(fake);
	fake_drop(fake);
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM(all_pairs, caps_gen_params),
	KUNIT_CASE_PARAM(every_failure, failure_gen_params),
	KUNIT_CASE(a_failed_final_save_is_told_by_read),
	KUNIT_CASE(one_step_back),
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
