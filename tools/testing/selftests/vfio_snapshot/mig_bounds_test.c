// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds of memory: the kernel allocates only for data that has arrived,
 * charges it to the caller's cgroup, and returns an error when the cgroup has
 * too little. The reported state stays true.
 */
#include <signal.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/memcg.h"
#include "lib/nic.h"
#include "lib/records.h"

#define KIB 1024ll
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define STATE (64 * MIB)	/* padding of the device state */
#define LIMIT (16 * MIB)	/* limit of a cgroup in which it does not fit */
#define AHEAD (2 * MIB)		/* memory is allocated up to so much ahead of the data */
/* Inaccuracy of a cgroup's counters, and small allocations beside the data */
#define SLACK (512 * KIB)

FIXTURE(bounds) {
	struct vfio_dev dev;
	const struct nic *nic;
	uint64_t flags;
	struct memcg cg;
	struct lab lab;
	/* Memory that STATE bytes take at once, and a limit below that */
	long long takes, limit;
	struct blob stream;
};

FIXTURE_SETUP(bounds)
{
	int ret;

	NEEDS_OURS();
	self->nic = nic_of(test_env.bdf);
	self->takes = self->nic && self->nic->window ? self->nic->window : STATE;
	self->limit = self->takes / 4;
	ret = memcg_open(&self->cg, _metadata->name);
	if (ret == -ENODEV || ret == -EACCES)
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
}

FIXTURE_TEARDOWN(bounds)
{
	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
	lab_close(&self->lab);
	memcg_close(&self->cg);
	blob_free(&self->stream);
}

static void *ballast(size_t len)
{
	static uint8_t *data;
	static size_t have;

	if (have < len) {
		free(data);
		data = malloc(len);
		memset(data, 0x5a, len);
		have = len;
	}
	return data;
}

/* Only the header of the largest record */
static int promise(int fd)
{
	struct blob b = {};
	int ret;

	ret = record_add_header(&b, TAG_DATA, 0, GIB) ?:
	      mig_write_all(fd, b.data, b.len, b.len, NULL);
	blob_free(&b);
	return ret;
}

TEST_F_TIMEOUT(bounds, memory_for_a_record_comes_with_its_data, 60)
{
	static const long long steps[] = { 0, 1, 4096, MIB, AHEAD, AHEAD + 1,
					   3 * AHEAD - 1, 8 * MIB, 20 * MIB + 1 };
	long long before, grown, may, at = 0;
	unsigned int i;
	int fd;

	ballast(20 * MIB);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	before = memcg_kernel(&self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	ASSERT_EQ(0, promise(fd));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ASSERT_EQ(0, mig_write_all(fd, ballast(0), steps[i] - at, 64 * KIB,
					   NULL));
		at = steps[i];
		grown = memcg_kernel(&self->cg) - before;
		may = (at + AHEAD - 1) / AHEAD * AHEAD;
		EXPECT_LE(grown, may + SLACK);
		/* Less means that the cgroup was not charged. */
		EXPECT_GE(grown, at - SLACK);
		TH_LOG("a record of 1 GiB, %lld kB of it written: %lld kB of memory", at / KIB, grown / KIB);
	}
	EXPECT_EQ(-ENODATA, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_EQ(0, vfio_dev_reset(&self->dev));
	close(fd);
	EXPECT_LE(memcg_settle(&self->cg, before + SLACK), before + SLACK);
}

TEST_F_TIMEOUT(bounds, a_skipped_record_takes_no_memory, 60)
{
	long long before;
	int i, fd;

	ballast(MIB);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	before = memcg_kernel(&self->cg);
	for (i = 0; i < 20; i++) {
		self->stream.len = 0;
		ASSERT_EQ(0, record_add(&self->stream, 0x77, RECORD_OPTIONAL,
					ballast(0), MIB));
		ASSERT_EQ(0, mig_write_all(fd, self->stream.data, self->stream.len,
					   MIB, NULL));
	}
	EXPECT_LE(memcg_kernel(&self->cg) - before, SLACK);
	close(fd);
}

#define OLD_LOADS 40
#define OLD_SAVES 200

TEST_F_TIMEOUT(bounds, fds_of_sessions_that_are_over_hold_next_to_nothing, 60)
{
	int fd[OLD_LOADS + OLD_SAVES], i;
	long long before, left, may;

	ballast(4096);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	before = memcg_kernel(&self->cg);
	for (i = 0; i < OLD_LOADS; i++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd[i]));
		ASSERT_EQ(0, promise(fd[i]));
		ASSERT_EQ(1, write(fd[i], ballast(0), 1));
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
	for (; i < OLD_LOADS + OLD_SAVES; i++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd[i]));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	}
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	/* A file and a stream without content. KASAN makes them larger. */
	may = i * 2 * KIB * slowness();
	left = memcg_settle(&self->cg, before + may) - before;
	EXPECT_LE(left, may);
	TH_LOG("%d dead fds: %lld kB", i, left / KIB);
	while (i)
		close(fd[--i]);
}

/* Sum of the numbers that @format matches in the lines of a file */
static long long sum_of(const char *path, const char *format)
{
	long long sum = 0, n;
	char line[128];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/*
 * Available memory of the machine: it falls also for memory that no cgroup is
 * charged for. Pages in the lists of the CPUs are free, but not in
 * MemAvailable.
 */
static long long available(void)
{
	return sum_of("/proc/meminfo", "MemAvailable: %lld kB") * KIB +
	       sum_of("/proc/zoneinfo", " count: %lld") * getpagesize();
}

struct figures {
	long long peak;		/* at most, above the value before the call */
	long long kernel;	/* above the value at the beginning */
	long long machine;	/* less available than at the beginning */
};

struct meter {
	struct memcg *cg;
	long long kernel, available, current;
};

static void meter_start(struct meter *m, struct memcg *cg)
{
	m->cg = cg;
	m->kernel = memcg_kernel(cg);
	m->available = available();
	m->current = memcg_current(cg);
	memcg_peak(cg);
}

static struct figures meter_read(struct meter *m)
{
	struct figures f = {
		.peak = memcg_peak(m->cg),
		.kernel = memcg_kernel(m->cg) - m->kernel,
		.machine = m->available - available(),
	};

	if (f.peak > 0)
		f.peak -= m->current;
	m->current = memcg_current(m->cg);
	return f;
}

#define LOG_FIGURES(what, f) \
	TH_LOG("%-44s peak %7lld kB, held %7lld kB, machine %7lld kB", what, \
	       (f).peak / KIB, (f).kernel / KIB, (f).machine / KIB)

/* Sets the padding and saves the device to @self->stream */
static void save_padded(struct __test_metadata *_metadata,
			FIXTURE_DATA(bounds) *self)
{
	ASSERT_EQ(0, blob_add(&self->stream, ballast(STATE + MIB), STATE + MIB));
	self->stream.len = 0;
	lab_vf_set(&self->lab, LAB_VF_PAD, STATE);
	ASSERT_EQ(0, mig_save(&self->dev, MIB, &self->stream));
	ASSERT_GT(self->stream.len, STATE);
}

TEST_F_TIMEOUT(bounds, saving_costs_the_state_and_little_beside_it, 60)
{
	size_t at = 0;
	struct figures f;
	struct meter m;
	ssize_t got;
	int fd;

	if (self->takes < STATE)
		SKIP(return, "the state moves through windows: see mig_windows_test");
	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_vf_set(&self->lab, LAB_VF_PAD, STATE);
	ballast(MIB);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	meter_start(&m, &self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	f = meter_read(&m);
	LOG_FIGURES("STOP_COPY of 64 MiB", f);
	EXPECT_GE(f.kernel, STATE - SLACK);
	EXPECT_LE(f.kernel, STATE + SLACK);
	EXPECT_LE(f.peak, STATE + 2 * SLACK);
	/* The cgroup was charged for all that the machine lacks. */
	EXPECT_LE(f.machine, f.kernel + 8 * MIB);

	while ((got = read(fd, ballast(0), MIB)) > 0)
		at += got;
	EXPECT_EQ(0, got);
	EXPECT_GT(at, STATE);
	f = meter_read(&m);
	LOG_FIGURES("all of it read", f);
	EXPECT_LE(f.kernel, STATE + SLACK);

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(fd);
	EXPECT_LE(memcg_settle(&self->cg, m.kernel + SLACK), m.kernel + SLACK);
}

TEST_F_TIMEOUT(bounds, precopy_costs_two_images_at_most, 60)
{
	struct figures f;
	struct meter m;
	int i, fd;

	NEEDS_LAB(&self->lab, test_env.bdf);
	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	lab_vf_set(&self->lab, LAB_VF_PAD, STATE);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	meter_start(&m, &self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, NULL));
	}
	f = meter_read(&m);
	LOG_FIGURES("PRE_COPY of 64 MiB, to P2P and back 10 times", f);
	EXPECT_LE(f.kernel, STATE + SLACK);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	f = meter_read(&m);
	LOG_FIGURES("STOP_COPY, nothing read", f);
	EXPECT_LE(f.kernel, 2 * (STATE + SLACK));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_LE(memcg_settle(&self->cg, m.kernel + SLACK), m.kernel + SLACK);
	close(fd);
}

TEST_F_TIMEOUT(bounds, loading_costs_the_state_and_little_beside_it, 60)
{
	struct figures f;
	struct meter m;
	int fd;

	NEEDS_LAB(&self->lab, test_env.bdf);
	save_padded(_metadata, self);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	meter_start(&m, &self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	ASSERT_EQ(0, mig_write_all(fd, self->stream.data, self->stream.len / 2, MIB,
				   NULL));
	f = meter_read(&m);
	LOG_FIGURES("half of 64 MiB written", f);
	EXPECT_LE(f.kernel, STATE / 2 + AHEAD + SLACK);
	ASSERT_EQ(0, mig_write_all(fd, self->stream.data + self->stream.len / 2,
				   self->stream.len - self->stream.len / 2, MIB, NULL));
	f = meter_read(&m);
	LOG_FIGURES("all of it written", f);
	EXPECT_LE(f.kernel, STATE + SLACK);
	EXPECT_LE(f.machine, f.kernel + 8 * MIB);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_LE(memcg_settle(&self->cg, m.kernel + SLACK), m.kernel + SLACK);
	close(fd);
}

/* Runs @work in a process in the cgroup: its errno, or -EINTR if it was killed */
static int in_cgroup(FIXTURE_DATA(bounds) *self,
		     int (*work)(FIXTURE_DATA(bounds) *self, int arg), int arg)
{
	int status, ret;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		ret = memcg_enter(&self->cg) ?: work(self, arg);
		_exit(-ret);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) ? -WEXITSTATUS(status) :
	       WTERMSIG(status) == SIGKILL ? -EINTR : -ECHILD;
}

static long long all_oom_kills(void)
{
	long long value, found = -1;
	char name[64];
	FILE *f = fopen("/proc/vmstat", "re");

	while (f && found < 0 && fscanf(f, "%63s %lld", name, &value) == 2)
		if (!strcmp(name, "oom_kill"))
			found = value;
	if (f)
		fclose(f);
	return found;
}

/* The cgroup was too small: @_err, or the OOM killer took this process and no other */
#define EXPECT_TOO_MUCH(_ret, _err, _kills) \
	do { \
		int _r = (_ret); \
		long long _killed = memcg_oom_kills(&self->cg); \
		EXPECT_TRUE(_r == (_err) || _r == -EINTR) { \
			TH_LOG("%d", _r); \
		} \
		EXPECT_EQ(_r == -EINTR, _killed > 0); \
		EXPECT_EQ((_kills) + _killed, all_oom_kills()); \
		TH_LOG("%s", _r == -EINTR ? "killed" : strerror(-_r)); \
	} while (0)

/*
 * Enters the saving state @to and reads the stream: 0, or the errno at its end.
 * In PRE_COPY, 0 after an image and -ENOMSG without one.
 */
static int save_in(FIXTURE_DATA(bounds) *self, int to)
{
	long long len = 0;
	char some[4096];
	ssize_t got;
	int fd, ret;

	ret = mig_set(&self->dev, to, &fd);
	if (ret)
		return ret;
	while ((got = read(fd, some, sizeof(some))) > 0)
		len += got;
	ret = got ? -errno : 0;
	close(fd);
	if (ret == -ENOMSG && to == VFIO_DEVICE_STATE_PRE_COPY &&
	    len > self->takes - MIB)
		return 0;
	return !ret && len < STATE ? -ENODATA : ret;
}

TEST_F_TIMEOUT(bounds, saving_more_than_the_cgroup_has_room_for_fails_and_can_be_repeated, 60)
{
	/* How each saving state reports missing memory, and the state before it */
	static const struct {
		uint32_t to, from;
		int err;
	} ways[] = {
		{ VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP, -ENOMEM },
		{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING, -ENOMSG },
	};
	long long kills = all_oom_kills(), before = available();
	unsigned int i;
	int state;

	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_vf_set(&self->lab, LAB_VF_PAD, STATE);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!mig_state_supported(self->flags, ways[i].to))
			continue;
		ASSERT_EQ(0, memcg_limit(&self->cg, self->limit));
		EXPECT_TOO_MUCH(in_cgroup(self, save_in, ways[i].to), ways[i].err, kills);
		state = mig_get(&self->dev);
		/* A killed process may not have reached the state. */
		EXPECT_TRUE(state == (int)ways[i].to ||
			    (memcg_oom_kills(&self->cg) && state == (int)ways[i].from)) {
			TH_LOG("%s", mig_state_name(state));
		}
		EXPECT_EQ(ways[i].to == VFIO_DEVICE_STATE_STOP_COPY,
			  lab_stopped(&self->lab));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
		EXPECT_FALSE(lab_stopped(&self->lab));
		EXPECT_LE(memcg_settle(&self->cg, SLACK), SLACK);

		/* Again in the same cgroup, with enough memory */
		ASSERT_EQ(0, memcg_limit(&self->cg, 2 * self->takes + LIMIT));
		EXPECT_EQ(0, in_cgroup(self, save_in, ways[i].to));
		EXPECT_STATE(&self->dev, ways[i].to);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	}
	EXPECT_LE(memcg_settle(&self->cg, SLACK), SLACK);
	/* The driver frees memory a while after the blackout. */
	for (i = 0; i < 200 && available() < before - self->takes / 2; i++)
		usleep(10000);
	EXPECT_GE(available(), before - self->takes / 2);
}

/* The final image is whole although the image ahead got no memory. */
TEST_F_TIMEOUT(bounds, no_memory_for_an_image_ahead_costs_the_migration_nothing, 60)
{
	struct vfio_precopy_info info;
	struct load_result r;
	int fd, ret;

	NEEDS_LAB(&self->lab, test_env.bdf);
	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	lab_vf_set(&self->lab, LAB_VF_PAD, STATE);
	ballast(MIB);
	ASSERT_EQ(0, memcg_enter(&self->cg));
	ASSERT_EQ(0, memcg_limit(&self->cg, self->limit));
	ret = mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	ASSERT_EQ(0, memcg_limit(&self->cg, 0));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENOMSG, mig_read_all(fd, MIB, &self->stream));
	EXPECT_GT(MIB, self->stream.len);
	EXPECT_EQ(0, mig_precopy_info(fd, &info));
	EXPECT_EQ(0, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, mig_read_all(fd, MIB, &self->stream));
	close(fd);
	EXPECT_LT(STATE, self->stream.len);
	r = mig_load(&self->dev, self->stream.data, self->stream.len, MIB);
	EXPECT_EQ(LOAD_OK, r.stage);
}

static int write_stream(FIXTURE_DATA(bounds) *self, int fd)
{
	return mig_write_all(fd, self->stream.data, self->stream.len, MIB, NULL);
}

TEST_F_TIMEOUT(bounds, loading_more_than_the_cgroup_has_room_for_fails_and_can_be_repeated, 60)
{
	long long kills = all_oom_kills();
	struct load_result r;
	int fd;

	if (self->takes < STATE)
		SKIP(return, "the state moves through windows: see mig_windows_test");
	NEEDS_LAB(&self->lab, test_env.bdf);
	save_padded(_metadata, self);
	ASSERT_EQ(0, memcg_limit(&self->cg, LIMIT));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_TOO_MUCH(in_cgroup(self, write_stream, fd), -ENOMEM, kills);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RESUMING);
	EXPECT_TRUE(lab_stopped(&self->lab));
	EXPECT_LE(memcg_kernel(&self->cg), LIMIT);
	EXPECT_EQ(-ENODATA, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_FALSE(lab_stopped(&self->lab));
	close(fd);
	EXPECT_LE(memcg_settle(&self->cg, SLACK), SLACK);

	ASSERT_EQ(0, memcg_limit(&self->cg, STATE + LIMIT));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_EQ(0, in_cgroup(self, write_stream, fd));
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(fd);
	r = mig_load(&self->dev, self->stream.data, self->stream.len, MIB);
	EXPECT_EQ(LOAD_OK, r.stage);
}

/* After ENOMEM, a write continues with the byte after the last one that it took. */
TEST_F_TIMEOUT(bounds, a_write_goes_on_when_the_cgroup_gets_more_memory, 60)
{
	size_t done = 0;
	int fd, ret;

	if (self->takes < STATE)
		SKIP(return, "the state moves through windows: see mig_windows_test");
	NEEDS_LAB(&self->lab, test_env.bdf);
	save_padded(_metadata, self);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	ASSERT_EQ(0, memcg_enter(&self->cg));
	ASSERT_EQ(0, memcg_limit(&self->cg, LIMIT));
	ret = mig_write_all(fd, self->stream.data, self->stream.len, MIB, &done);
	ASSERT_EQ(0, memcg_limit(&self->cg, 0));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_LT(done, LIMIT);
	TH_LOG("ENOMEM after %zu kB", done / 1024);
	EXPECT_EQ(0, mig_write_all(fd, self->stream.data + done,
				   self->stream.len - done, MIB, NULL));
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(fd);
}

TEST_F_TIMEOUT(bounds, a_state_larger_than_the_limit_is_efbig_and_costs_nothing, 60)
{
	static const struct {
		uint32_t to;
		int err;
	} ways[] = {
		{ VFIO_DEVICE_STATE_STOP_COPY, -EFBIG },
		{ VFIO_DEVICE_STATE_PRE_COPY, -ENOMSG },
	};
	struct figures f;
	struct meter m;
	unsigned int i;
	uint64_t size;
	int fd, ret;

	if (!self->nic || self->nic->max_state > GIB)
		SKIP(return, "no lab block makes a state that large");
	NEEDS_LAB(&self->lab, test_env.bdf);
	ASSERT_EQ(0, blob_add(&self->stream, ballast(MIB), MIB));
	ASSERT_EQ(0, memcg_enter(&self->cg));
	/* With the parts beside the padding, the state is larger than 1 GiB. */
	lab_vf_set(&self->lab, LAB_VF_PAD, GIB);
	meter_start(&m, &self->cg);
	EXPECT_EQ(-EFBIG, mig_data_size(&self->dev, &size));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!mig_state_supported(self->flags, ways[i].to))
			continue;
		ret = mig_set(&self->dev, ways[i].to, &fd);
		/* A driver may refuse PRE_COPY already, while the guest runs. */
		if (ret == -EFBIG && ways[i].to == VFIO_DEVICE_STATE_PRE_COPY) {
			EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
		} else {
			ASSERT_EQ(0, ret);
			self->stream.len = 0;
			EXPECT_EQ(ways[i].err, mig_read_all(fd, 4096, &self->stream));
			EXPECT_STATE(&self->dev, ways[i].to);
		}
		f = meter_read(&m);
		EXPECT_LE(f.peak, SLACK);
		EXPECT_LE(f.kernel, SLACK);
		EXPECT_EQ(ways[i].to == VFIO_DEVICE_STATE_STOP_COPY,
			  lab_stopped(&self->lab));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
		if (fd >= 0)
			close(fd);
	}
	lab_vf_set(&self->lab, LAB_VF_PAD, 0);
	EXPECT_EQ(0, mig_save(&self->dev, MIB, &self->stream));
}

SNAPSHOT_TEST_MAIN
