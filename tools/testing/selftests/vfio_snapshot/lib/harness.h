/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included by every test file: the kselftest harness, a fixture with one open
 * device, and macros that skip a test that does not apply.
 */
#ifndef VFIO_SNAPSHOT_HARNESS_H
#define VFIO_SNAPSHOT_HARNESS_H

#include "kselftest_harness.h"

#include "vfio_mig.h"

/* Skips a test that the upstream driver is known to fail. Our driver has to pass it. */
#define SKIP_PEER_FAULT(why) \
	do { \
		if (test_env.peer && !test_env.ours) \
			SKIP(return, "known fault of this driver: %s", why); \
	} while (0)

/* Only the drivers of this project promise what the test expects. */
#define NEEDS_OURS() \
	do { \
		if (!test_env.ours) \
			SKIP(return, "not a driver of this project"); \
	} while (0)

#define NEEDS_SECOND_DEVICE() \
	do { \
		if (!test_env.bdf2) \
			SKIP(return, "needs a second device"); \
	} while (0)

#define NEEDS_STATE(flags, state) \
	do { \
		if (!mig_state_supported(flags, state)) \
			SKIP(return, "the device has no state %s", \
			     mig_state_name(state)); \
	} while (0)

/* Compares names of states, so that a failure can be read without a table */
#define EXPECT_STATE(dev, state) \
	EXPECT_STREQ(mig_state_name(state), mig_state_name(mig_get(dev)))
#define ASSERT_STATE(dev, state) \
	ASSERT_STREQ(mig_state_name(state), mig_state_name(mig_get(dev)))

/* One open device in RUNNING */
#define DEVICE_FIXTURE(name) \
	FIXTURE(name) { \
		struct vfio_dev dev; \
		uint64_t flags; \
	}; \
	FIXTURE_SETUP(name) \
	{ \
		ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf)); \
		ASSERT_EQ(0, mig_flags(&self->dev, &self->flags)); \
	} \
	FIXTURE_TEARDOWN(name) \
	{ \
		vfio_dev_close(&self->dev); \
	}

/* VFIO_SNAPSHOT_SLOW=N: all time limits are N times as long */
static inline int slowness(void)
{
	const char *slow = getenv("VFIO_SNAPSHOT_SLOW");
	int times = slow ? atoi(slow) : 1;

	return times > 1 ? times : 1;
}

static inline void stretch_timeouts(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout *= slowness();
}

#define SNAPSHOT_TEST_MAIN \
	int main(int argc, char *argv[]) \
	{ \
		test_env_init(&argc, argv); \
		stretch_timeouts(); \
		return test_harness_run(argc, argv); \
	}

#endif /* VFIO_SNAPSHOT_HARNESS_H */
