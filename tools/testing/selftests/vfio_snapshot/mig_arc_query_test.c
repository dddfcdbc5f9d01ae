// SPDX-License-Identifier: GPL-2.0-only
/* The arc query says what a change of state would do, and changes nothing. */
#include <sys/ioctl.h>

#include <linux/vfio_snapshot.h>

#include "lib/fsm_expect.h"
#include "lib/harness.h"

FIXTURE(query) {
	struct vfio_dev dev;
	uint64_t flags;
	unsigned int set;
};

FIXTURE_SETUP(query)
{
	NEEDS_OURS();
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	if (self->flags & VFIO_MIGRATION_P2P)
		self->set |= FSM_P2P;
	if (self->flags & VFIO_MIGRATION_PRE_COPY)
		self->set |= FSM_PRECOPY;
}

FIXTURE_TEARDOWN(query)
{
	vfio_dev_close(&self->dev);
}

static int ask(struct vfio_dev *dev, uint32_t from, uint32_t to,
	       struct vfio_device_feature_mig_arc *arc)
{
	*arc = (struct vfio_device_feature_mig_arc){
		.from = from, .to = to, .next = ~0u, .flags = ~0u,
	};
	return mig_feature(dev, VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIG_ARC, arc, sizeof(*arc));
}

TEST_F(query, every_walk_is_the_written_out_path)
{
	struct vfio_device_feature_mig_arc arc;
	unsigned int from, to, at, n;
	char path[FSM_STATES + 2];
	const char *want;

	for (from = 0; from < FSM_STATES; from++) {
		for (to = 0; to < FSM_STATES; to++) {
			want = fsm_expect[self->set][from][to];
			n = 0;
			path[n++] = FSM_LETTERS[from];
			for (at = from; at != to && n <= FSM_STATES;) {
				ASSERT_EQ(0, ask(&self->dev, at, to, &arc));
				EXPECT_EQ(at, arc.from);
				at = arc.next;
				if (at == VFIO_DEVICE_STATE_ERROR)
					break;
				ASSERT_LT(at, FSM_STATES);
				path[n++] = FSM_LETTERS[at];
			}
			path[n] = '\0';
			if (from == to)
				continue;
			EXPECT_STREQ(want, at == to && n > 1 ? path : "-") {
				TH_LOG("%s to %s", mig_state_name(from),
				       mig_state_name(to));
			}
		}
	}
}

TEST_F(query, flags_say_supported_direct_and_data_fd)
{
	struct vfio_device_feature_mig_arc arc;
	unsigned int from, to;

	for (from = 0; from < FSM_STATES; from++) {
		for (to = 0; to < FSM_STATES; to++) {
			const char *want = fsm_expect[self->set][from][to];
			size_t steps = strlen(want) - 1;
			uint32_t flags = 0;

			if (want[0] != '-')
				flags |= VFIO_MIG_ARC_SUPPORTED;
			if (want[0] != '-' && steps == 1)
				flags |= VFIO_MIG_ARC_DIRECT;
			if (steps && (to == VFIO_DEVICE_STATE_RESUMING ||
				      (mig_state_saving(to) &&
				       !mig_state_saving(from))))
				flags |= VFIO_MIG_ARC_DATA_FD;

			ASSERT_EQ(0, ask(&self->dev, from, to, &arc));
			EXPECT_EQ(flags, arc.flags) {
				TH_LOG("%s to %s", mig_state_name(from),
				       mig_state_name(to));
			}
			if (want[0] == '-') {
				EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, arc.next);
			} else if (from == to) {
				EXPECT_EQ(to, arc.next);
			}
		}
	}
}

TEST_F(query, a_real_request_gives_a_data_fd_exactly_where_the_query_says)
{
	struct vfio_device_feature_mig_arc arc;
	unsigned int to;
	int fd;

	for (to = 1; to < FSM_STATES; to++) {
		ASSERT_EQ(0, ask(&self->dev, VFIO_DEVICE_STATE_RUNNING, to,
				 &arc));
		EXPECT_EQ(arc.flags & VFIO_MIG_ARC_SUPPORTED ? 0 : -EINVAL,
			  mig_set(&self->dev, to, &fd));
		EXPECT_EQ(!!(arc.flags & VFIO_MIG_ARC_DATA_FD), fd >= 0);
		if (fd >= 0)
			close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

TEST_F(query, the_answer_does_not_depend_on_the_present_state)
{
	struct vfio_device_feature_mig_arc arc;
	unsigned int state;
	int fd;

	for (state = 1; state < FSM_STATES; state++) {
		if (!mig_state_supported(self->flags, state))
			continue;
		ASSERT_EQ(0, mig_enter(&self->dev, state, &fd));
		EXPECT_EQ(0, ask(&self->dev, VFIO_DEVICE_STATE_STOP,
				 VFIO_DEVICE_STATE_STOP_COPY, &arc));
		EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, arc.next);
		EXPECT_STATE(&self->dev, state);
		if (fd >= 0)
			close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

TEST_F(query, asking_changes_nothing)
{
	struct vfio_device_feature_mig_arc arc;
	unsigned int from, to;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	for (from = 0; from < FSM_STATES; from++)
		for (to = 0; to < FSM_STATES; to++)
			ASSERT_EQ(0, ask(&self->dev, from, to, &arc));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(0, mig_fd_errno(fd, true));
	close(fd);
}

TEST_F(query, values_that_are_no_state_are_einval)
{
	static const uint32_t none[] = { FSM_STATES, 0xff, 0xffffffff };
	struct vfio_device_feature_mig_arc arc;
	size_t i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		EXPECT_EQ(-EINVAL, ask(&self->dev, none[i], 1, &arc));
		EXPECT_EQ(-EINVAL, ask(&self->dev, 1, none[i], &arc));
	}
}

TEST_F(query, probe_works_set_and_a_short_argsz_do_not)
{
	struct vfio_device_feature_mig_arc arc = { .from = 1, .to = 2 };
	uint32_t index = VFIO_DEVICE_FEATURE_MIG_ARC;

	EXPECT_EQ(0, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_PROBE | index,
				 NULL, 0));
	EXPECT_EQ(0, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_PROBE |
				 VFIO_DEVICE_FEATURE_GET | index, NULL, 0));
	EXPECT_EQ(-EINVAL, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_SET |
				       index, &arc, sizeof(arc)));
	EXPECT_EQ(-EINVAL, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_GET |
				       index, &arc, sizeof(arc) - 4));
	EXPECT_EQ(0, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_GET | index,
				 &arc, sizeof(arc)));
}

TEST_F(query, a_driver_without_it_is_seen_by_enotty)
{
	EXPECT_EQ(-ENOTTY, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_PROBE |
				       (VFIO_DEVICE_FEATURE_MIG_ARC + 1), NULL,
				       0));
}

SNAPSHOT_TEST_MAIN
