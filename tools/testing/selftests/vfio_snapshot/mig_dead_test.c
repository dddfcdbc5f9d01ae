// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware that is slow or dead: a command of each kind takes a second, or
 * completes only when the test releases it. Meanwhile the device answers
 * everything that needs no firmware, it can be reset, and another device of the
 * same PF migrates. Afterwards the device works.
 *
 * The caller of a command waits in the driver of the PF, where nothing
 * interrupts it.
 */
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/call.h"
#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"

/* For calls that need no dead command. Long enough for a slow machine. */
#define ANSWER_MS 5000
/* How long a call must be seen waiting */
#define WAIT_MS 200
#define WATCHDOG_MS 25000
#define SECONDS 60
#define DELAY_US 1000000
#define RACE_US 500000
/* The driver uses a size for a second before it asks again. */
#define SIZE_KEPT_US 1100000

struct change {
	struct vfio_dev *dev;
	uint32_t to;
	int *fd;
	const struct blob *write;	/* instead of a state: write this stream to *@fd */
};

FIXTURE(dead) {
	struct vfio_dev dev;
	struct vfio_dev other;
	const struct nic *nic;
	unsigned int opcode;
	bool late;		/* the command is asynchronous */
	bool behind;		/* as in the variant, or @late */
	struct lab lab;
	struct blob saved;
	uint64_t objects;
	int fd;			/* data fd of @dev */
	struct change change;
	struct call call;	/* the change that sends the command */
	struct call watchdog;
	bool at_end;		/* the test is over, the watchdog can stop */
	bool barked;
};

/* A change that sends the command */
FIXTURE_VARIANT(dead) {
	enum nic_command command;
	uint32_t from;
	uint32_t to;
	bool write;		/* writes a stream in @from */
	bool behind;		/* the command is sent after the change returned */
	bool reads;		/* there is data to read in @from */
};

FIXTURE_VARIANT_ADD(dead, create_at_the_begin_of_saving) {
	.command = NIC_BEGIN,
	.from = VFIO_DEVICE_STATE_RUNNING,
	.to = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(dead, metadata_get) {
	.command = NIC_ESTIMATE,
	.from = VFIO_DEVICE_STATE_RUNNING,
	.to = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(dead, parts_get_of_the_first_image) {
	.command = NIC_SAVE,
	.from = VFIO_DEVICE_STATE_RUNNING,
	.to = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(dead, mode_set_that_stops) {
	.command = NIC_HALT,
	.from = VFIO_DEVICE_STATE_PRE_COPY,
	.to = VFIO_DEVICE_STATE_PRE_COPY_P2P,
	.reads = true,
};

FIXTURE_VARIANT_ADD(dead, parts_get_of_the_last_image) {
	.command = NIC_SAVE,
	.from = VFIO_DEVICE_STATE_PRE_COPY_P2P,
	.to = VFIO_DEVICE_STATE_STOP_COPY,
	.reads = true,
};

FIXTURE_VARIANT_ADD(dead, create_at_the_begin_of_loading) {
	.command = NIC_BEGIN,
	.from = VFIO_DEVICE_STATE_STOP,
	.to = VFIO_DEVICE_STATE_RESUMING,
};

FIXTURE_VARIANT_ADD(dead, parts_set) {
	.command = NIC_LOAD,
	.from = VFIO_DEVICE_STATE_RESUMING,
	.to = VFIO_DEVICE_STATE_RESUMING,
	.write = true,
};

FIXTURE_VARIANT_ADD(dead, mode_set_that_resumes) {
	.command = NIC_RUN,
	.from = VFIO_DEVICE_STATE_RUNNING_P2P,
	.to = VFIO_DEVICE_STATE_RUNNING,
};

FIXTURE_VARIANT_ADD(dead, destroy) {
	.command = NIC_END,
	.from = VFIO_DEVICE_STATE_STOP_COPY,
	.to = VFIO_DEVICE_STATE_RUNNING,
	.behind = true,
};

static int watchdog(void *arg)
{
	FIXTURE_DATA(dead) *self = arg;
	unsigned int ms;

	for (ms = 0; ms < WATCHDOG_MS; ms++) {
		if (__atomic_load_n(&self->at_end, __ATOMIC_ACQUIRE))
			return 0;
		usleep(1000);
	}
	self->barked = true;
	printf("# the watchdog releases %u commands\n",
	       (unsigned int)lab_get(&self->lab, LAB_HELD));
	lab_reset(&self->lab);
	return 0;
}

FIXTURE_SETUP(dead)
{
	NEEDS_OURS();
	NEEDS_SECOND_DEVICE();
	NEEDS_LAB(&self->lab, test_env.bdf);
	self->nic = nic_of(test_env.bdf);
	ASSERT_NE(NULL, self->nic);
	self->opcode = self->nic->op[variant->command];
	if (!self->opcode)
		SKIP(return, "the NIC has no such command");
	self->late = variant->write ? self->nic->window :
		     self->nic->late && variant->command == NIC_SAVE &&
		     variant->to == VFIO_DEVICE_STATE_PRE_COPY;
	self->behind = variant->behind || self->late;
	self->fd = -1;
	self->other.fd = self->other.group = self->other.container = -1;
	ASSERT_EQ(0, call_start(&self->watchdog, watchdog, self));
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	self->objects = lab_objects_at_rest(&self->lab);
	if (variant->write) {
		ASSERT_EQ(0, mig_save(&self->dev, 65536, &self->saved));
		ASSERT_EQ(0, lab_wait_objects(&self->lab, self->objects));
	}
	lab_only_this_vf(&self->lab, self->nic->own_objects);
}

FIXTURE_TEARDOWN(dead)
{
	/* First, because held commands would block the rest. */
	lab_close(&self->lab);
	if (self->call.fn)
		EXPECT_TRUE(call_over(&self->call, ANSWER_MS));
	__atomic_store_n(&self->at_end, true, __ATOMIC_RELEASE);
	EXPECT_TRUE(call_over(&self->watchdog, ANSWER_MS));
	EXPECT_FALSE(self->barked);
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->dev);
	vfio_dev_close(&self->other);
	blob_free(&self->saved);
}

static int make_change(void *arg)
{
	struct change *c = arg;

	if (c->write)
		return mig_write_all(*c->fd, c->write->data, c->write->len,
				     65536, NULL);
	if (mig_state_saving(c->to) && *c->fd < 0)
		return mig_set(c->dev, c->to, c->fd);
	return mig_set(c->dev, c->to,
		       c->to == VFIO_DEVICE_STATE_RESUMING ? c->fd : NULL);
}

#define CHANGE() \
	(struct change){ \
		.dev = &self->dev, \
		.to = variant->to, \
		.fd = &self->fd, \
		.write = variant->write ? &self->saved : NULL, \
	}

/* Waits until the device has the command */
static bool wait_for(struct lab *lab, unsigned int reg, uint64_t value)
{
	unsigned int ms;

	for (ms = 0; ms < ANSWER_MS; ms++) {
		if (lab_get(lab, reg) >= value)
			return true;
		usleep(1000);
	}
	return false;
}

/* The exit from PRE_COPY waits for the first image, so go there first. */
static int enter(struct vfio_dev *dev, uint32_t state, int *fd)
{
	int ret;

	if (state != VFIO_DEVICE_STATE_PRE_COPY_P2P)
		return mig_enter(dev, state, fd);
	ret = mig_enter(dev, VFIO_DEVICE_STATE_PRE_COPY, fd);
	return ret ? ret : mig_set(dev, state, NULL);
}

/* Brings the device to its state and starts the change whose command is dead */
#define START() \
	do { \
		ASSERT_EQ(0, enter(&self->dev, variant->from, &self->fd)); \
		lab_drop(&self->lab, self->opcode, 1); \
		self->change = CHANGE(); \
		ASSERT_EQ(0, call_start(&self->call, make_change, \
					&self->change)); \
		ASSERT_TRUE(wait_for(&self->lab, LAB_HELD, 1)); \
	} while (0)

/* One question to a device, asked in a thread because it may hang */
struct question {
	struct vfio_dev *dev;
	int fd;
};

static int ask_state(void *arg)
{
	return mig_get(((struct question *)arg)->dev);
}

static int ask_flags(void *arg)
{
	uint64_t flags;

	return mig_flags(((struct question *)arg)->dev, &flags);
}

static int ask_info(void *arg)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(((struct question *)arg)->dev->fd, VFIO_DEVICE_GET_INFO,
		     &info);
}

static int read_config(void *arg)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	struct question *q = arg;
	uint16_t vendor;

	if (ioctl(q->dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	return pread(q->dev->fd, &vendor, 2, info.offset) == 2 ? 0 : -EIO;
}

static int poll_data(void *arg)
{
	struct pollfd p = { .fd = ((struct question *)arg)->fd, .events = POLLIN };

	return poll(&p, 1, ANSWER_MS) == 1 && p.revents & POLLIN ? 0 : -EIO;
}

static int read_data(void *arg)
{
	char some[64];

	return read(((struct question *)arg)->fd, some, sizeof(some)) ==
	       sizeof(some) ? 0 : -EIO;
}

static int ask_reset(void *arg)
{
	return vfio_dev_reset(((struct question *)arg)->dev);
}

static int ask_size(void *arg)
{
	uint64_t size;

	return mig_data_size(((struct question *)arg)->dev, &size);
}

static int ask_precopy(void *arg)
{
	struct vfio_precopy_info info;

	return mig_precopy_info(((struct question *)arg)->fd, &info);
}

static int ask_running(void *arg)
{
	return mig_set(((struct question *)arg)->dev, VFIO_DEVICE_STATE_RUNNING,
		       NULL);
}

static int migrate(void *arg)
{
	struct vfio_dev *dev = ((struct question *)arg)->dev;
	struct blob b = {};
	struct load_result r;
	int ret;

	ret = mig_save(dev, 65536, &b);
	if (!ret) {
		r = mig_load(dev, b.data, b.len, 65536);
		ret = r.stage == LOAD_OK ?
		      mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL) : -r.err;
	}
	blob_free(&b);
	return ret;
}

/* A question that hangs keeps its memory. */
static int answer(struct vfio_dev *dev, int fd, int (*fn)(void *arg))
{
	struct { struct call call; struct question q; } *ask;
	int ret;

	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return -ENOMEM;
	ask->q = (struct question){ .dev = dev, .fd = fd };
	ret = call_start(&ask->call, fn, &ask->q);
	if (ret)
		return ret;
	if (!call_over(&ask->call, ANSWER_MS))
		return -ETIMEDOUT;
	ret = ask->call.ret;
	free(ask);
	return ret;
}

/* After the release: why the device does not run and migrate, or leaves objects */
static const char *not_well(struct vfio_dev *dev, struct lab *lab,
			    uint64_t objects, bool reset)
{
	struct question q = { .dev = dev };

	if (reset && vfio_dev_reset(dev))
		return "cannot be reset";
	if (mig_get(dev) != VFIO_DEVICE_STATE_RUNNING &&
	    mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL))
		return "does not go to RUNNING";
	if (lab_stopped(lab))
		return "is RUNNING and stopped";
	if (migrate(&q))
		return "does not migrate";
	if (mig_get(dev) != VFIO_DEVICE_STATE_RUNNING || lab_stopped(lab))
		return "does not run after it migrated";
	if (lab_wait_objects(lab, objects))
		return "left objects behind";
	return NULL;
}

#define EXPECT_WELL() \
	do { \
		/* Without a stream, only a reset leaves RESUMING. */ \
		bool _reset = variant->to == VFIO_DEVICE_STATE_RESUMING && \
			      !variant->write; \
		const char *_why = not_well(&self->dev, &self->lab, \
					    self->objects, _reset); \
		EXPECT_EQ(NULL, _why) { \
			TH_LOG("the device %s", _why); \
		} \
	} while (0)

TEST_F_TIMEOUT(dead, what_does_not_need_it_answers, SECONDS)
{
	bool blind;
	char line[128] = "";

	ASSERT_EQ(0, vfio_dev_open(&self->other, test_env.bdf2));
	START();
	EXPECT_EQ(self->behind, call_over(&self->call, WAIT_MS));
	/* An asynchronous save or load is waited for elsewhere. */
	if (!self->nic->late || (variant->command != NIC_SAVE && !variant->write)) {
		EXPECT_TRUE(find_waiting(self->nic->waits_in, line, sizeof(line),
					 &blind) || blind);
	}
	TH_LOG("waits in %s", line);

	EXPECT_EQ(self->behind ? variant->to : variant->from,
		  answer(&self->dev, -1, ask_state));
	EXPECT_EQ(0, answer(&self->dev, -1, ask_flags));
	EXPECT_EQ(0, answer(&self->dev, -1, ask_info));
	EXPECT_EQ(0, answer(&self->dev, -1, read_config));
	if (variant->reads) {
		EXPECT_EQ(0, answer(&self->dev, self->fd, poll_data));
		EXPECT_EQ(0, answer(&self->dev, self->fd, read_data));
	}
	EXPECT_EQ(0, answer(&self->other, -1, migrate));
	EXPECT_EQ(0, answer(&self->other, -1, migrate));
	EXPECT_EQ(1, lab_get(&self->lab, LAB_HELD));

	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_EQ(0, self->call.ret);
	EXPECT_STATE(&self->dev, variant->to);
	EXPECT_WELL();
}

TEST_F_TIMEOUT(dead, a_reset_does_not_wait_and_holds_when_it_comes_back, SECONDS)
{
	START();
	EXPECT_EQ(0, answer(&self->dev, -1, ask_reset));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, answer(&self->dev, -1, ask_state));
	EXPECT_FALSE(lab_stopped(&self->lab));

	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_WELL();
}

/* The command completes after the reset: a stop then hits a running device. */
TEST_F_TIMEOUT(dead, a_reset_holds_when_a_slow_command_comes_after_it, SECONDS)
{
	uint64_t count;

	ASSERT_EQ(0, enter(&self->dev, variant->from, &self->fd));
	count = lab_count(&self->lab, self->opcode);
	lab_delay(&self->lab, RACE_US);
	self->change = CHANGE();
	ASSERT_EQ(0, call_start(&self->call, make_change, &self->change));
	ASSERT_TRUE(wait_for(&self->lab, LAB_COUNT(self->opcode), count + 1));
	lab_delay(&self->lab, 0);

	EXPECT_EQ(0, answer(&self->dev, -1, ask_reset));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, answer(&self->dev, -1, ask_state));
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_WELL();
}

static int ask_again(void *arg)
{
	char byte = 0;

	return write(((struct question *)arg)->fd, &byte, 1);
}

static int ask_session(void *arg)
{
	return mig_set(((struct question *)arg)->dev,
		       VFIO_DEVICE_STATE_PRE_COPY, NULL);
}

static int ask_stop(void *arg)
{
	return mig_set(((struct question *)arg)->dev, VFIO_DEVICE_STATE_STOP,
		       NULL);
}

static int ask_halt(void *arg)
{
	return mig_set(((struct question *)arg)->dev, VFIO_DEVICE_STATE_PRE_COPY_P2P,
		       NULL);
}

TEST_F_TIMEOUT(dead, what_waits_for_it_can_be_killed, SECONDS)
{
	const struct {
		const char *name;
		int (*ask)(void *arg);
		bool asked;
	} waiters[] = {
		{ "the size of the state", ask_size, true },
		{ "a change to RUNNING", ask_running,
		  !self->behind && !variant->write },
		/* A killed exit from RESUMING would end in ERROR. */
		{ "a change to STOP", ask_stop, variant->behind },
		{ "a change to PRE_COPY_P2P", ask_halt, self->late && !variant->write },
		{ "the next session", ask_session, variant->behind },
		{ "the precopy info", ask_precopy, variant->reads },
		{ "another write", ask_again, variant->write && !self->late },
	};
	unsigned int i;
	pid_t pid;

	START();
	if (variant->write || self->behind)
		usleep(SIZE_KEPT_US);
	for (i = 0; i < ARRAY_SIZE(waiters); i++) {
		struct question q = { .dev = &self->dev, .fd = self->fd };

		if (!waiters[i].asked)
			continue;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			waiters[i].ask(&q);
			_exit(0);
		}
		EXPECT_FALSE(process_over(pid, WAIT_MS)) {
			TH_LOG("%s does not wait", waiters[i].name);
		}
		kill(pid, SIGKILL);
		ASSERT_TRUE(process_over(pid, ANSWER_MS)) {
			TH_LOG("%s", waiters[i].name);
		}
	}
	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_STATE(&self->dev, variant->to);
	EXPECT_WELL();
}

static int open_again(void *arg)
{
	return vfio_dev_open(arg, test_env.bdf);
}

/* Kills the process that has the device open */
TEST_F_TIMEOUT(dead, a_killed_process_ends_with_the_command, SECONDS)
{
	pid_t pid;

	vfio_dev_close(&self->dev);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		self->change = CHANGE();
		if (vfio_dev_open(&self->dev, test_env.bdf))
			_exit(1);
		if (enter(&self->dev, variant->from, &self->fd))
			_exit(1);
		lab_drop(&self->lab, self->opcode, 1);
		make_change(&self->change);
		pause();
		_exit(0);
	}
	ASSERT_EQ(0, vfio_dev_open(&self->other, test_env.bdf2));
	ASSERT_TRUE(wait_for(&self->lab, LAB_HELD, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(self->behind, process_over(pid, self->behind ?
						     ANSWER_MS : WAIT_MS));
	EXPECT_EQ(0, answer(&self->other, -1, migrate));

	if (self->behind && variant->write) {
		/* The load may still change the device: the next owner waits. */
		ASSERT_EQ(0, call_start(&self->call, open_again, &self->dev));
		EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	} else if (self->behind) {
		/* The device is closed and can be opened. A new session has to wait. */
		ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING,
			  answer(&self->dev, -1, ask_state));
		self->change = (struct change){
			.dev = &self->dev,
			.to = VFIO_DEVICE_STATE_PRE_COPY,
			.fd = &self->fd,
		};
		ASSERT_EQ(0, call_start(&self->call, make_change, &self->change));
		EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	}
	lab_set(&self->lab, LAB_RELEASE, 1);
	if (self->behind) {
		ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
		EXPECT_EQ(0, self->call.ret);
	} else {
		ASSERT_TRUE(process_over(pid, ANSWER_MS));
		ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	}
	EXPECT_WELL();
}

FIXTURE(slow) {
	struct vfio_dev dev;
	struct vfio_dev other;
	struct lab lab;
	struct call call;
};

FIXTURE_SETUP(slow)
{
	NEEDS_OURS();
	NEEDS_SECOND_DEVICE();
	NEEDS_LAB(&self->lab, test_env.bdf);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, vfio_dev_open(&self->other, test_env.bdf2));
}

FIXTURE_TEARDOWN(slow)
{
	lab_close(&self->lab);
	vfio_dev_close(&self->dev);
	vfio_dev_close(&self->other);
}

TEST_F_TIMEOUT(slow, a_second_for_each_command_is_a_long_migration_of_one_device, SECONDS)
{
	struct question q = { .dev = &self->dev };
	unsigned int others = 0;
	int state;

	lab_only_this_vf(&self->lab, true);
	lab_delay(&self->lab, DELAY_US);
	ASSERT_EQ(0, call_start(&self->call, migrate, &q));
	while (!call_over(&self->call, WAIT_MS)) {
		state = answer(&self->dev, -1, ask_state);
		ASSERT_LE(0, state);
		ASSERT_NE(VFIO_DEVICE_STATE_ERROR, state);
		ASSERT_EQ(0, answer(&self->other, -1, migrate));
		others++;
	}
	EXPECT_EQ(0, self->call.ret);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	TH_LOG("the other one migrated %u times", others);
	EXPECT_LT(10 / slowness(), others);
}

SNAPSHOT_TEST_MAIN
