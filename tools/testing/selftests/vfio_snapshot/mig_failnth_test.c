// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's fault injection makes each allocation and each copy from or to
 * userspace fail in turn, in each migration sequence. Afterwards the reported
 * state is true, the device comes back and nothing is left.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/harness.h"
#include "lib/rig.h"

#define LAST_NTH 2000
#define MAX_COMPLAINTS 4
#define SWEEP_SECONDS 240

#define FAULTS "/sys/kernel/debug/"

/* Without these, most allocations that may sleep never fail. */
static const struct {
	const char *path;
	const char *value;
} settings[] = {
	{ FAULTS "failslab/ignore-gfp-wait", "N" },
	{ FAULTS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ FAULTS "fail_page_alloc/min-order", "0" },
};

/* 0, or -ENOENT on a kernel without this fault injection */
static int arm(void)
{
	size_t i;
	int ret;

	if (access("/proc/self/fail-nth", W_OK))
		return -ENOENT;
	if (access(settings[0].path, F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		ret = write_file(settings[i].value, "%s", settings[i].path);
		if (ret)
			return ret;
	}
	return 0;
}

FIXTURE(failnth) {
	struct rig rig;
	struct blob clean;	/* what the sequence reads without a fault */
	unsigned int complaints;
	unsigned int tried;
	int nth;		/* fail-nth of this thread */
};

FIXTURE_SETUP(failnth)
{
	int ret;

	self->nth = -1;
	NEEDS_OURS();
	ret = arm();
	if (ret == -ENOENT && !getenv("VFIO_SNAPSHOT_FAILNTH"))
		SKIP(return, "the kernel has no fault injection (CONFIG_FAULT_INJECTION, CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC)");
	ASSERT_EQ(0, ret);
	ret = rig_open(&self->rig, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not a NIC of lib/nic.c");
	ASSERT_EQ(0, ret);
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->nth, 0);
}

FIXTURE_TEARDOWN(failnth)
{
	if (self->nth >= 0)
		close(self->nth);
	rig_close(&self->rig);
	blob_free(&self->clean);
}

/*
 * The @n-th chance to fail from now on is taken; 0: none. An earlier order may
 * still hit the first write.
 */
static bool set_nth(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, len, 0) == len ||
	       pwrite(fd, text, len, 0) == len;
}

/* Whether the ordered failure has happened */
static bool was_taken(int fd)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
}

static bool documented(int err)
{
	return err == ENOMEM || err == EFAULT || err == EIO;
}

/* A ConnectX's engine counts its rounds, so no two of its states are equal. */
static bool same_stream(const struct rig *rig, const struct blob *a, const struct blob *b)
{
	return rig->nic->own_ndma ? a->len == b->len : blob_equal(a, b);
}

/* An image ahead may fail silently. The stream is another one then, and must load. */
static const char *stream_is_wrong(struct rig *rig, const struct blob *out, bool taken,
				   const struct blob *clean)
{
	struct load_result r;

	if (same_stream(rig, out, clean))
		return rig_lies(rig);
	if (!taken)
		return "bytes of the stream are lost or repeated";
	r = mig_load(&rig->dev, out->data, out->len, 4096);
	if (r.stage != LOAD_OK || mig_set(&rig->dev, VFIO_DEVICE_STATE_RUNNING, NULL) ||
	    rig_traffic(rig, true))
		return "the stream differs and cannot be loaded";
	return rig_lies(rig);
}

static const char *run_is_wrong(struct rig *rig, const struct sequence *s,
				const struct sequence_run *run, bool taken,
				const struct blob *clean)
{
	const struct step *step = &s->steps[run->step];

	if (!run->err)
		return stream_is_wrong(rig, &run->out, taken, clean);
	if (!taken)
		return "it fails without a fault";
	if (!documented(-run->err))
		return "the errno is not documented";
	/* The state may be reached although the fd could not be returned. */
	if (step->op == STEP_SET && run->state != (int)step->state &&
	    !sequence_may_rest(run->from, step->state, run->state))
		return "the state is not on the path";
	if (run->state == VFIO_DEVICE_STATE_ERROR &&
	    run->from != VFIO_DEVICE_STATE_RESUMING &&
	    run->from != VFIO_DEVICE_STATE_ERROR)
		return "ERROR after one failure";
	return rig_lies(rig);
}

/* Whether something failed in @s */
#define TRY(_s, _n) ({ \
	struct rig *_rig = &self->rig; \
	struct sequence_run _run; \
	const char *_bad; \
	bool _taken; \
	ASSERT_TRUE(set_nth(self->nth, _n)); \
	sequence_run(_s, &_rig->dev, &_rig->saved, &_run); \
	_taken = was_taken(self->nth); \
	ASSERT_TRUE(set_nth(self->nth, 0)); \
	_bad = run_is_wrong(_rig, _s, &_run, _taken, &self->clean); \
	_bad = _bad ? _bad : rig_not_back(_rig, &_run); \
	_bad = _bad || !_run.err ? _bad : \
	       rig_not_whole(_rig, sequence_resets_device(_s) ? \
			     &sequence_save : (_s)); \
	if (_bad) { \
		TH_LOG("%s: chance %u to fail: %s [step %u from %s: errno %d, now %s]", \
		       (_s)->name, _n, _bad, _run.step, \
		       mig_state_name(_run.from), -_run.err, \
		       mig_state_name(_run.state)); \
		self->complaints++; \
		ASSERT_EQ(0, rig_mend(_rig)); \
	} \
	blob_free(&_run.out); \
	self->tried++; \
	_taken; \
})

#define SWEEP(_s) \
	do { \
		struct sequence_run _first; \
		unsigned int _n; \
		ASSERT_EQ(0, sequence_run(_s, &self->rig.dev, \
					  &self->rig.saved, &_first)); \
		ASSERT_EQ(0, blob_copy(&self->clean, &_first.out)); \
		blob_free(&_first.out); \
		ASSERT_EQ(NULL, rig_not_back(&self->rig, &_first)); \
		for (_n = 1; _n <= LAST_NTH && \
		     self->complaints < MAX_COMPLAINTS; _n++) \
			if (!TRY(_s, _n)) \
				break; \
		EXPECT_LE(_n, LAST_NTH); \
		TH_LOG("%s: %u chances to fail", (_s)->name, _n - 1); \
	} while (0)

#define SWEEP_ALL(_table, _nr) \
	do { \
		unsigned int _t; \
		for (_t = 0; _t < (_nr); _t++) \
			SWEEP(&(_table)[_t]); \
		EXPECT_EQ(0, self->complaints); \
	} while (0)

TEST_F_TIMEOUT(failnth, each_allocation_of_a_save, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_save, 1);
}

TEST_F_TIMEOUT(failnth, each_allocation_of_a_save_with_precopy, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_precopy, 1);
}

TEST_F_TIMEOUT(failnth, each_allocation_of_a_resume, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_resume, 1);
}

TEST_F_TIMEOUT(failnth, each_allocation_of_a_cancelled_save, SWEEP_SECONDS)
{
	/* The last one allocates nothing that sequence_precopy does not. */
	SWEEP_ALL(sequence_cancels, NR_CANCELS - 1);
}

/* A reset allocates nothing. This tests the way to ERROR. */
TEST_F_TIMEOUT(failnth, each_allocation_before_a_reset, SWEEP_SECONDS)
{
	ASSERT_STREQ("reset in ERROR", sequence_resets[0].name);
	SWEEP_ALL(&sequence_resets[0], 1);
}

TEST_F_TIMEOUT(failnth, each_allocation_that_asks_for_the_size, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_size, 1);
}

SNAPSHOT_TEST_MAIN
