// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fsm_expect.h"
#include "sequence.h"

#define SET(_state) { STEP_SET, VFIO_DEVICE_STATE_##_state }
#define BREAK(_state) { STEP_BREAK, VFIO_DEVICE_STATE_##_state }
#define READ { .op = STEP_READ }
#define WRITE { .op = STEP_WRITE }
#define INFO { .op = STEP_INFO }
#define SIZE { .op = STEP_SIZE }
#define RESET { .op = STEP_RESET }

/* The reset comes first because it makes the driver forget the last answer. */
const struct sequence sequence_size = { "size", { RESET, SIZE } };

const struct sequence sequence_save = {
	"save", { SET(STOP_COPY), READ, SET(STOP), SET(RUNNING) }
};

const struct sequence sequence_precopy = {
	"precopy", {
		SET(PRE_COPY), INFO, READ,
		SET(PRE_COPY_P2P), INFO, SET(PRE_COPY), READ,
		SET(PRE_COPY_P2P), SET(STOP_COPY), READ,
		SET(RUNNING),
	}
};

const struct sequence sequence_resume = {
	"resume", { SET(RESUMING), WRITE, SET(RUNNING_P2P), SET(RUNNING) }
};

const struct sequence sequence_cancels[NR_CANCELS] = {
	{ "cancel in PRE_COPY", { SET(PRE_COPY), SET(RUNNING) } },
	{ "cancel in PRE_COPY_P2P", {
		SET(PRE_COPY), SET(PRE_COPY_P2P), SET(RUNNING) } },
	{ "cancel in STOP_COPY", { SET(STOP_COPY), SET(RUNNING) } },
	{ "cancel in STOP_COPY after precopy", {
		SET(PRE_COPY), READ, SET(STOP_COPY), SET(RUNNING) } },
};

const struct sequence sequence_resets[NR_RESETS] = {
	{ "reset in ERROR", { SET(RESUMING), BREAK(STOP), RESET } },
	{ "reset in STOP", { SET(STOP), RESET } },
	{ "reset in RUNNING", { RESET } },
	{ "reset in STOP_COPY", { SET(STOP_COPY), RESET } },
	{ "reset in RESUMING", { SET(RESUMING), WRITE, RESET } },
	{ "reset in RUNNING_P2P", { SET(RUNNING_P2P), RESET } },
	{ "reset in PRE_COPY", { SET(PRE_COPY), RESET } },
	{ "reset in PRE_COPY_P2P", { SET(PRE_COPY_P2P), RESET } },
};

struct walk {
	struct vfio_dev *dev;
	const struct blob *in;
	struct sequence_run *run;
	int fd;
};

/* A pending fault may hit this system call, so ask again. */
static int reported(struct vfio_dev *dev)
{
	int state = mig_get(dev);

	return state < 0 ? mig_get(dev) : state;
}

static int set_state(struct walk *w, const struct step *step)
{
	int fd, ret = mig_set(w->dev, step->state, &fd);

	if (fd >= 0) {
		if (w->fd >= 0)
			close(w->fd);
		w->fd = fd;
	}
	return ret;
}

static int break_state(struct walk *w, const struct step *step)
{
	int ret = set_state(w, step);

	if (reported(w->dev) == VFIO_DEVICE_STATE_ERROR)
		return 0;
	return ret ? ret : -EPROTO;
}

static int read_all(struct walk *w, const struct step *step)
{
	int ret = mig_read_all(w->fd, 4096, &w->run->out);

	(void)step;
	return ret == -ENOMSG ? 0 : ret;
}

static int write_all(struct walk *w, const struct step *step)
{
	(void)step;
	return mig_write_all(w->fd, w->in->data, w->in->len, 4096, NULL);
}

static int ask_info(struct walk *w, const struct step *step)
{
	struct vfio_precopy_info info;

	(void)step;
	return mig_precopy_info(w->fd, &info);
}

static int ask_size(struct walk *w, const struct step *step)
{
	uint64_t size;

	(void)step;
	return mig_data_size(w->dev, &size);
}

static int reset(struct walk *w, const struct step *step)
{
	int ret = vfio_dev_reset(w->dev);

	(void)step;
	w->run->was_reset = true;
	if (!ret && reported(w->dev) != VFIO_DEVICE_STATE_RUNNING)
		ret = -EPROTO;
	return ret;
}

static int (*const actions[])(struct walk *w, const struct step *step) = {
	[STEP_SET] = set_state,
	[STEP_BREAK] = break_state,
	[STEP_READ] = read_all,
	[STEP_WRITE] = write_all,
	[STEP_INFO] = ask_info,
	[STEP_SIZE] = ask_size,
	[STEP_RESET] = reset,
};

int sequence_run(const struct sequence *s, struct vfio_dev *dev,
		 const struct blob *in, struct sequence_run *run)
{
	struct walk w = { .dev = dev, .in = in, .run = run, .fd = -1 };
	const struct step *step;

	memset(run, 0, sizeof(*run));
	run->state = VFIO_DEVICE_STATE_RUNNING;
	for (step = s->steps; step->op != STEP_END; step++) {
		run->step = step - s->steps;
		run->op = step->op;
		run->from = run->state;
		run->err = actions[step->op](&w, step);
		run->state = reported(dev);
		if (run->err)
			break;
	}
	if (w.fd >= 0)
		close(w.fd);
	return run->err;
}

bool sequence_resets_device(const struct sequence *s)
{
	const struct step *step;

	for (step = s->steps; step->op != STEP_END; step++)
		if (step->op == STEP_RESET)
			return true;
	return false;
}

bool sequence_may_rest(int from, int to, int now)
{
	const char *path;

	if (now < 0 || now >= NR_STATES)
		return false;
	if (now == VFIO_DEVICE_STATE_ERROR)
		return true;
	path = fsm_expect[FSM_P2P | FSM_PRECOPY][from][to];
	/* Any state of the path but the last, which a failed walk has not reached */
	for (; path[0] && path[1]; path++)
		if (path[0] == FSM_LETTERS[now])
			return true;
	return false;
}
