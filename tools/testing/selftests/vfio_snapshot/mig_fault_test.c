// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware fails: each command of each migration sequence in turn, in
 * several ways. Whatever happens, the reported state is what the device does,
 * the errno is a documented one, the device comes back and nothing is left.
 */
#include "lib/harness.h"
#include "lib/records.h"
#include "lib/rig.h"

#define LAST_NTH 64
#define MAX_COMPLAINTS 4
#define SWEEP_SECONDS 90

FIXTURE(fail) {
	struct rig rig;
	unsigned int complaints;
	unsigned int tried;
};

FIXTURE_VARIANT(fail) {
	int err;		/* of the status, see nic_status() */
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(fail, with_eagain) {
	.err = EAGAIN,
};

FIXTURE_VARIANT_ADD(fail, with_einval_and_a_qualifier) {
	.err = EINVAL,
};

FIXTURE_VARIANT_ADD(fail, with_an_unknown_status) {
	.err = NIC_UNKNOWN_ERROR,
};

FIXTURE_VARIANT_ADD(fail, with_enomem_after_it_was_carried_out) {
	.err = ENOMEM,
	.flags = LAB_FAIL_AFTER,
};

FIXTURE_VARIANT_ADD(fail, with_an_unknown_status_after_it_was_carried_out) {
	.err = NIC_LARGEST_ERROR,
	.flags = LAB_FAIL_AFTER,
};

FIXTURE_VARIANT_ADD(fail, with_ebusy_and_all_that_follow) {
	.err = EBUSY,
	.flags = LAB_FAIL_ON,
};

FIXTURE_VARIANT_ADD(fail, with_an_unknown_status_and_all_that_follow) {
	.err = NIC_UNKNOWN_ERROR,
	.flags = LAB_FAIL_ON,
};

FIXTURE_VARIANT_ADD(fail, with_ebusy_and_all_that_follow_after_they_were_carried_out) {
	.err = EBUSY,
	.flags = LAB_FAIL_AFTER | LAB_FAIL_ON,
};

FIXTURE_SETUP(fail)
{
	int ret;

	NEEDS_OURS();
	ret = rig_open(&self->rig, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not a NIC that we know");
	ASSERT_EQ(0, ret);
	RIG_NEEDS_LAB(&self->rig);
}

FIXTURE_TEARDOWN(fail)
{
	rig_close(&self->rig);
}

/* What a user is told when @opcode fails with @err, or one that nobody knows */
static int told(const struct nic *nic, const struct step *step, unsigned int opcode,
		int err)
{
	bool save = opcode == nic->op[NIC_SAVE];
	bool load = opcode == nic->op[NIC_LOAD] || step->op == STEP_WRITE;

	/* EAGAIN of a read or a write would have it tried again, for ever. */
	if (err == EAGAIN && step->op == STEP_READ)
		return EBUSY;
	if (load && err == EAGAIN)
		return EBUSY;
	if (save && err == EINVAL && nic->no_room)
		return ENOSPC;
	return err > 0 ? err : EIO;
}

static const char *run_is_wrong(struct rig *rig, const struct sequence *s,
				const struct sequence_run *run, bool touched,
				unsigned int opcode, int err, unsigned int flags)
{
	const struct step *step = &s->steps[run->step];

	if (!run->err)
		return NULL;
	if (!touched)
		return "it fails without a fault";
	/* A reset may send commands, to make sure that the device runs. */
	if (step->op == STEP_RESET)
		return run->state == VFIO_DEVICE_STATE_ERROR ? NULL :
		       "a reset ends neither in RUNNING nor in ERROR";
	if (run->err != -told(rig->nic, step, opcode, err))
		return "another errno than that of the status";
	if (step->op != STEP_SET) {
		if (run->state != run->from)
			return "what sets no state changed it";
		return NULL;
	}
	if (!sequence_may_rest(run->from, step->state, run->state))
		return "the state is none on the way";
	/* One failure can be rolled back, but for what was being loaded. */
	if (run->state == VFIO_DEVICE_STATE_ERROR && !(flags & LAB_FAIL_ON) &&
	    run->from != VFIO_DEVICE_STATE_RESUMING)
		return "ERROR after one failure";
	return rig_lies(rig);
}

/* The last commands of a sequence are sent when it is over. */
static bool settle(struct rig *rig)
{
	int tries;

	for (tries = 0; tries < 20000 && !lab_fail_met(&rig->lab) &&
	     lab_get(&rig->lab, LAB_OBJECTS) != rig->objects; tries++)
		usleep(500);
	return lab_fail_met(&rig->lab);
}

/* Whether the fault met a command of @s. */
#define TRY(_s, _opcode, _nth) ({ \
	const struct sequence *_again = \
		sequence_resets_device(_s) ? &sequence_save : (_s); \
	struct rig *_rig = &self->rig; \
	struct sequence_run _run; \
	const char *_bad; \
	bool _touched; \
	lab_fail(&_rig->lab, _opcode, _nth, \
		 nic_status(_rig->nic, variant->err), variant->flags); \
	sequence_run(_s, &_rig->dev, &_rig->saved, &_run); \
	_touched = settle(_rig); \
	_bad = run_is_wrong(_rig, _s, &_run, _touched, _opcode, variant->err, \
			    variant->flags); \
	lab_fail_off(&_rig->lab); \
	_bad = _bad ? _bad : rig_not_back(_rig, &_run); \
	_bad = _bad || !_touched ? _bad : rig_not_whole(_rig, _again); \
	if (_bad) { \
		TH_LOG("%s: command %u (opcode %#x) fails: %s [step %u from %s: errno %d, now %s]", \
		       (_s)->name, _nth, _opcode, _bad, _run.step, \
		       mig_state_name(_run.from), -_run.err, \
		       mig_state_name(_run.state)); \
		self->complaints++; \
		ASSERT_EQ(0, rig_mend(_rig)); \
	} \
	blob_free(&_run.out); \
	self->tried++; \
	_touched; \
})

#define SWEEP_OPCODE(_s, _op) \
	do { \
		unsigned int _n; \
		for (_n = 1; _n <= LAST_NTH && \
		     self->complaints < MAX_COMPLAINTS; _n++) \
			if (!TRY(_s, _op, _n)) \
				break; \
		EXPECT_LE(_n, LAST_NTH); \
	} while (0)

/* Those opcodes that @_s sends none of are met by no fault. */
#define SWEEP_LIST(_s, _list) \
	do { \
		uint64_t _sent[NIC_MAX_FAULTS]; \
		unsigned int _i; \
		for (_i = 0; (_list)[_i]; _i++) \
			_sent[_i] = lab_count(&self->rig.lab, (_list)[_i]); \
		ASSERT_FALSE(TRY(_s, LAB_ANY_OPCODE, LAST_NTH)); \
		for (_i = 0; (_list)[_i]; _i++) \
			_sent[_i] = lab_count(&self->rig.lab, (_list)[_i]) - _sent[_i]; \
		for (_i = 0; (_list)[_i]; _i++) \
			if (_sent[_i]) \
				SWEEP_OPCODE(_s, (_list)[_i]); \
	} while (0)

#define SWEEP(_s) \
	do { \
		const struct nic *_nic = self->rig.nic; \
		if (variant->flags & LAB_FAIL_AFTER) \
			SWEEP_LIST(_s, _nic->after); \
		else if (_nic->faults[0] == LAB_ANY_OPCODE) \
			SWEEP_OPCODE(_s, LAB_ANY_OPCODE); \
		else \
			SWEEP_LIST(_s, _nic->faults); \
	} while (0)

#define SWEEP_ALL(_table, _nr) \
	do { \
		unsigned int _t; \
		for (_t = 0; _t < (_nr); _t++) \
			SWEEP(&(_table)[_t]); \
		EXPECT_EQ(0, self->complaints); \
		TH_LOG("%u faults tried", self->tried); \
	} while (0)

TEST_F_TIMEOUT(fail, each_command_of_a_save, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_save, 1);
}

TEST_F_TIMEOUT(fail, each_command_of_a_save_with_precopy, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_precopy, 1);
}

TEST_F_TIMEOUT(fail, each_command_of_a_resume, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_resume, 1);
}

TEST_F_TIMEOUT(fail, each_command_of_a_save_given_up, SWEEP_SECONDS)
{
	SWEEP_ALL(sequence_cancels, NR_CANCELS);
}

TEST_F_TIMEOUT(fail, each_command_around_a_reset_in_each_state, SWEEP_SECONDS)
{
	SWEEP_ALL(sequence_resets, NR_RESETS);
}

TEST_F_TIMEOUT(fail, each_command_that_asks_for_the_size, SWEEP_SECONDS)
{
	SWEEP_ALL(&sequence_size, 1);
}

/*
 * The arcs on which a guest stands still, or which begin and end that. The
 * device goes the way there first, with no fault; a zero ends it (ERROR).
 */
#define MAX_WAY 3
static const struct still_arc {
	enum vfio_device_mig_state way[MAX_WAY];
	enum vfio_device_mig_state to;
} still_arcs[] = {
	{ { VFIO_DEVICE_STATE_PRE_COPY }, VFIO_DEVICE_STATE_PRE_COPY_P2P },
	{ { VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P },
	  VFIO_DEVICE_STATE_STOP_COPY },
	{ { VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P },
	  VFIO_DEVICE_STATE_PRE_COPY },
	{ { VFIO_DEVICE_STATE_RUNNING_P2P }, VFIO_DEVICE_STATE_STOP },
	{ { VFIO_DEVICE_STATE_STOP }, VFIO_DEVICE_STATE_RUNNING_P2P },
	{ { VFIO_DEVICE_STATE_RUNNING_P2P }, VFIO_DEVICE_STATE_RUNNING },
	{ { VFIO_DEVICE_STATE_RESUMING }, VFIO_DEVICE_STATE_STOP },
	{ { VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP },
	  VFIO_DEVICE_STATE_RUNNING_P2P },
};

#define NR_STILL_ARCS (sizeof(still_arcs) / sizeof(still_arcs[0]))
/* One step back, and what it takes to be sure of that */
#define MOST_AFTER_A_FAILURE 2

/* Reads the image taken ahead, or writes a stream: no transfer is under way then. */
static int move_state(struct rig *rig, enum vfio_device_mig_state state, int fd,
		      struct blob *out)
{
	int ret;

	if (state == VFIO_DEVICE_STATE_RESUMING)
		return mig_write_all(fd, rig->saved.data, rig->saved.len, 4096, NULL);
	ret = mig_read_all(fd, 4096, out);
	return ret == -ENOMSG ? 0 : ret;
}

/* The data fd of the way is left in *@fd. */
static int go_way(struct rig *rig, const struct still_arc *arc, int *fd,
		  struct blob *out)
{
	int ret = 0, opened;
	unsigned int i;

	for (i = 0; !ret && i < MAX_WAY && arc->way[i]; i++) {
		ret = mig_set(&rig->dev, arc->way[i], &opened);
		if (ret || opened < 0)
			continue;
		*fd = opened;
		ret = move_state(rig, arc->way[i], opened, out);
	}
	return ret;
}

/* Commands of this VF, but for those that remove objects whenever there is time */
static uint64_t commands_sent(struct rig *rig)
{
	return lab_get(&rig->lab, LAB_TOTAL) - lab_count(&rig->lab, rig->nic->op[NIC_END]);
}

/*
 * The nth command of @_arc fails. Commands that follow it are added up in _after;
 * false when the arc sends no nth command.
 */
#define COUNT_AFTER(_arc, _nth, _after) ({ \
	struct rig *_rig = &self->rig; \
	struct blob _out = {}; \
	uint64_t _from, _sent; \
	int _fd = -1, _err; \
	ASSERT_EQ(0, lab_wait_objects(&_rig->lab, _rig->objects)); \
	ASSERT_EQ(0, go_way(_rig, _arc, &_fd, &_out)); \
	_from = commands_sent(_rig); \
	lab_fail(&_rig->lab, LAB_ANY_OPCODE, _nth, \
		 nic_status(_rig->nic, variant->err), variant->flags); \
	_err = mig_set(&_rig->dev, (_arc)->to, NULL); \
	_sent = commands_sent(_rig) - _from; \
	lab_fail_off(&_rig->lab); \
	*(_after) = _err && _sent > (_nth) ? _sent - (_nth) : 0; \
	if (_fd >= 0) \
		close(_fd); \
	blob_free(&_out); \
	ASSERT_EQ(0, rig_mend(_rig)); \
	_sent >= (_nth); \
})

TEST_F_TIMEOUT(fail, at_most_two_commands_follow_a_failed_one_in_the_blackout,
	       SWEEP_SECONDS)
{
	const struct still_arc *arc;
	unsigned int nth, failed = 0;
	uint64_t after, most = 0;

	for (arc = still_arcs; arc < still_arcs + NR_STILL_ARCS; arc++) {
		for (nth = 1; nth <= LAST_NTH && COUNT_AFTER(arc, nth, &after); nth++) {
			failed++;
			most = after > most ? after : most;
			EXPECT_LE(after, MOST_AFTER_A_FAILURE) {
				TH_LOG("to %s: %llu commands after command %u failed",
				       mig_state_name(arc->to),
				       (unsigned long long)after, nth);
			}
		}
		EXPECT_LE(nth, LAST_NTH);
	}
	/* At least a halt, the final save, and two ways to run again */
	EXPECT_LE(4, failed);
	TH_LOG("%u failures, at most %llu commands after one", failed,
	       (unsigned long long)most);
}

FIXTURE(corrupt) {
	struct rig rig;
	struct vfio_dev to;
	struct blob bad;
};

FIXTURE_SETUP(corrupt)
{
	int ret;

	self->to = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	NEEDS_OURS();
	NEEDS_SECOND_DEVICE();
	ret = rig_open(&self->rig, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not a NIC that we know");
	ASSERT_EQ(0, ret);
	RIG_NEEDS_LAB(&self->rig);
	ASSERT_EQ(0, vfio_dev_open(&self->to, test_env.bdf2));
}

FIXTURE_TEARDOWN(corrupt)
{
	vfio_dev_close(&self->to);
	rig_close(&self->rig);
	blob_free(&self->bad);
}

/* A stream of which one byte of the device's own data is not what it was */
static int save_corrupted(struct rig *rig, unsigned int offset, struct blob *b)
{
	int ret;

	b->len = 0;
	lab_corrupt(&rig->lab, 1, offset, 0xff);
	ret = mig_save(&rig->dev, 4096, b);
	lab_corrupt(&rig->lab, 0, 0, 0);
	if (!ret && blob_equal(b, &rig->saved))
		ret = -ENOMSG;
	return ret;
}

static bool documented_refusal(int err)
{
	return err == EINVAL || err == ENXIO || err == ENOSPC || err == EIO;
}

/* The header of the first part, which no device may take for another one */
#define PART_HEADER 16

TEST_F(corrupt, a_stream_with_a_broken_part_header_is_refused_by_the_destination)
{
	unsigned int offset;
	struct load_result r;

	for (offset = 0; offset < PART_HEADER; offset++) {
		ASSERT_EQ(0, save_corrupted(&self->rig, offset, &self->bad));
		r = mig_load(&self->to, self->bad.data, self->bad.len, 4096);
		EXPECT_TRUE(nic_refuses_at(self->rig.nic, r.stage)) {
			TH_LOG("byte %u: stage %d", offset, r.stage);
		}
		EXPECT_TRUE(documented_refusal(r.err)) {
			TH_LOG("byte %u: errno %d", offset, r.err);
		}
		EXPECT_EQ(r.err, r.exit_err);
		EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, r.state);
		ASSERT_EQ(0, vfio_dev_reset(&self->to));
		ASSERT_STATE(&self->to, VFIO_DEVICE_STATE_RUNNING);
	}
	r = mig_load(&self->to, self->rig.saved.data, self->rig.saved.len, 4096);
	EXPECT_EQ(LOAD_OK, r.stage);
}

TEST_F(corrupt, the_source_of_a_corrupted_stream_goes_on)
{
	ASSERT_EQ(0, save_corrupted(&self->rig, 0, &self->bad));
	EXPECT_STATE(&self->rig.dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(NULL, rig_lies(&self->rig));
	EXPECT_EQ(0, rig_traffic(&self->rig, false));
	EXPECT_EQ(NULL, rig_not_whole(&self->rig, &sequence_save));
}

TEST_F(corrupt, a_broken_part_is_refused_in_error_or_taken_as_a_whole)
{
	const struct record *data;
	struct load_result r;
	struct records rs;
	size_t offset;

	ASSERT_EQ(0, records_parse(&rs, &self->rig.saved));
	data = records_find(&rs, TAG_DATA);
	ASSERT_NE(NULL, data);
	/* Any byte of the data, also one whose every value is a valid state */
	for (offset = PART_HEADER; offset < data->size; offset += data->size / 12) {
		ASSERT_EQ(0, save_corrupted(&self->rig, offset, &self->bad));
		r = mig_load(&self->to, self->bad.data, self->bad.len, 4096);
		if (r.stage == LOAD_OK) {
			EXPECT_EQ(VFIO_DEVICE_STATE_STOP, r.state);
			EXPECT_EQ(0, mig_set(&self->to,
					     VFIO_DEVICE_STATE_RUNNING, NULL));
		} else {
			EXPECT_TRUE(documented_refusal(r.err));
			EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, r.state);
		}
		ASSERT_EQ(0, vfio_dev_reset(&self->to));
		ASSERT_STATE(&self->to, VFIO_DEVICE_STATE_RUNNING);
	}
}

SNAPSHOT_TEST_MAIN
