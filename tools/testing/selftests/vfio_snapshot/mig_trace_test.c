// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints: the events of a migration, good or failed, give a timeline. */
#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"
#include "lib/records.h"
#include "lib/sequence.h"
#include "lib/trace.h"

#define US_PER_MS 1000
#define NS_PER_MS 1000000

/* What differs between the NICs */
static const struct seen {
	const char *save, *load;	/* commands */
	const char *saved, *queued;	/* tags of the records, and what happened to them */
	const char *loaded;
	unsigned int records;
} whole = {
	.save = "session_begin(save) estimate(whole) save(ahead) quiesce(ndma) quiesce(run) quiesce(ndma) save(final) quiesce(run) ",
	.load = "quiesce(ndma) session_begin(load) load(-) quiesce(run) ",
	.saved = "ident data ident data data end data end ",
	.queued = "queued queued taken taken queued queued taken taken ",
	.loaded = "ident data end ",
	.records = 4,
}, increments = {
	.save = "session_begin(save) estimate(whole) save(ahead) estimate(changed) quiesce(ndma) quiesce(run) quiesce(ndma) quiesce(stop) save(final) quiesce(ndma) quiesce(run) ",
	.load = "quiesce(ndma) quiesce(stop) session_begin(load) load(-) quiesce(ndma) quiesce(run) ",
	.saved = "ident stop_copy_size data ident stop_copy_size data data end data end ",
	.queued = "queued queued queued taken taken taken queued queued taken taken ",
	.loaded = "ident stop_copy_size data end ",
	.records = 5,
};

FIXTURE(trace) {
	const struct seen *seen;
	struct vfio_dev dev;
	const struct nic *nic;
	struct lab lab;
	struct trace t;
	struct sequence_run run;
	struct blob state;
};

FIXTURE_SETUP(trace)
{
	int ret;

	self->dev = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	NEEDS_OURS();
	self->nic = nic_of(test_env.bdf);
	self->seen = self->nic && self->nic->increments ? &increments : &whole;
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->state));
	ret = trace_begin(&self->t);
	if (ret == -ENOENT)
		SKIP(return, "the kernel has no trace events");
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(trace)
{
	lab_close(&self->lab);
	vfio_dev_close(&self->dev);
	trace_end(&self->t);
	blob_free(&self->run.out);
	blob_free(&self->state);
}

/* A field of all events @name, in order, each followed by a space */
static const char *list(struct trace *t, const char *name, size_t field, char *to,
			size_t len)
{
	unsigned int i;
	size_t at = 0;

	to[0] = '\0';
	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->events[i].name, name))
			at += snprintf(to + at, at < len ? len - at : 0, "%s ",
				       (char *)&t->events[i] + field);
	return to;
}

/*
 * All commands but those for memory and session_end, which comes some time
 * after the session
 */
static const char *commands(struct trace *t, char *to, size_t len)
{
	unsigned int i;
	size_t at = 0;

	to[0] = '\0';
	for (i = 0; i < t->nr; i++) {
		struct event *e = &t->events[i];

		if (!strcmp(e->name, "command_end") && strcmp(e->command, "session_end") &&
		    strncmp(e->command, "buf_", 4))
			at += snprintf(to + at, at < len ? len - at : 0, "%s(%s) ",
				       e->command, e->arg);
	}
	return to;
}

static struct event *find(struct trace *t, const char *name, const char *command)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->events[i].name, name) &&
		    (!command || !strcmp(t->events[i].command, command)))
			return &t->events[i];
	return NULL;
}

#define EXPECT_LIST(expected, name, field) \
	do { \
		char _text[1024]; \
		EXPECT_STREQ(expected, list(&self->t, name, \
					    offsetof(struct event, field), _text, \
					    sizeof(_text))); \
	} while (0)

#define EXPECT_COMMANDS(expected) \
	do { \
		char _text[1024]; \
		EXPECT_STREQ(expected, commands(&self->t, _text, sizeof(_text))); \
	} while (0)

TEST_F(trace, the_documented_fields_are_there)
{
	static const struct {
		const char *event;
		const char *fields[8];
	} formats[] = {
		{ "arc_begin", { "device", "from", "to", "level" } },
		{ "arc_end", { "device", "from", "to", "state", "level", "result",
			       "duration" } },
		{ "command_begin", { "device", "command", "arg", "bytes" } },
		{ "command_end", { "device", "command", "arg", "bytes", "result",
				   "duration" } },
		{ "record", { "device", "what", "tag", "bytes" } },
		{ "data", { "device", "dir", "bytes", "total", "pending" } },
		{ "reset", { "device", "was", "state", "raced" } },
	};
	unsigned int i, k;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		for (k = 0; k < 8 && formats[i].fields[k]; k++) {
			const char *field = formats[i].fields[k];

			EXPECT_TRUE(trace_has_field(&self->t, formats[i].event,
						    field)) {
				TH_LOG("%s: no %s", formats[i].event, field);
			}
		}
	}
}

/*
 * Why begins and ends do not match, or the commands of an arc took longer than
 * the arc. An asynchronous load may begin before the arc in which it ends.
 */
static const char *not_nested(struct trace *t)
{
	struct event *arc = NULL, *command = NULL, *around = NULL;
	int64_t within = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		struct event *e = &t->events[i];

		/* A session is ended asynchronously. */
		if (!strcmp(e->command, "session_end") || !strcmp(e->command, "buf_unmap"))
			continue;
		if (!strcmp(e->name, "arc_begin")) {
			if (arc)
				return "an arc begins in an arc";
			arc = e;
			within = 0;
		} else if (!strcmp(e->name, "arc_end")) {
			if (!arc || strcmp(arc->from, e->from) || strcmp(arc->to, e->to))
				return "an arc ends that did not begin";
			if (e->duration <= 0 || within > e->duration)
				return "an arc is shorter than its commands";
			arc = NULL;
		} else if (!strcmp(e->name, "command_begin")) {
			if (command)
				return "a command begins in a command";
			command = e;
			around = arc;
		} else if (!strcmp(e->name, "command_end")) {
			if (!command || strcmp(command->command, e->command) ||
			    strcmp(command->arg, e->arg))
				return "a command ends that did not begin";
			if (e->duration <= 0)
				return "a command took no time";
			if (around == arc)
				within += e->duration;
			command = NULL;
		}
	}
	return arc ? "an arc does not end" : command ? "a command does not end" : "";
}

TEST_F(trace, a_save_with_precopy_has_all_its_events)
{
	ASSERT_EQ(0, sequence_run(&sequence_precopy, &self->dev, NULL, &self->run));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_STREQ("", not_nested(&self->t));
	EXPECT_LIST("RUNNING PRE_COPY PRE_COPY_P2P PRE_COPY PRE_COPY_P2P STOP_COPY STOP RUNNING_P2P ",
		    "arc_begin", from);
	EXPECT_LIST("PRE_COPY PRE_COPY_P2P PRE_COPY PRE_COPY_P2P STOP_COPY STOP RUNNING_P2P RUNNING ",
		    "arc_end", state);
	EXPECT_LIST("run ndma run ndma stop stop ndma run ", "arc_begin", level);
	EXPECT_LIST("run ndma run ndma stop stop ndma run ", "arc_end", level);
	EXPECT_COMMANDS(self->seen->save);
}

TEST_F(trace, a_filter_takes_the_name_of_a_state)
{
	ASSERT_EQ(0, trace_filter(&self->t, "arc_begin", "to == \"STOP_COPY\""));
	ASSERT_EQ(0, sequence_run(&sequence_precopy, &self->dev, NULL, &self->run));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_LIST("PRE_COPY_P2P ", "arc_begin", from);
}

/* Bytes of all data events, or 0 when their totals do not add up */
static uint64_t moved(struct trace *t, const char *dir)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		struct event *e = &t->events[i];

		if (strcmp(e->name, "data"))
			continue;
		bytes += e->bytes;
		if (strcmp(e->dir, dir) || bytes != (uint64_t)e->total)
			return 0;
	}
	return bytes;
}

TEST_F(trace, the_records_of_a_save_are_those_of_its_stream)
{
	uint64_t queued = 0, taken = 0;
	struct records rs;
	unsigned int i;

	ASSERT_EQ(0, sequence_run(&sequence_precopy, &self->dev, NULL, &self->run));
	ASSERT_EQ(0, records_parse(&rs, &self->run.out));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_EQ(self->seen->records, rs.nr);
	EXPECT_LIST(self->seen->saved, "record", tag);
	EXPECT_LIST(self->seen->queued, "record", what);
	for (i = 0; i < self->t.nr; i++) {
		struct event *e = &self->t.events[i];

		if (!strcmp(e->what, "queued"))
			queued += RECORD_HEADER + e->bytes;
		if (!strcmp(e->what, "taken"))
			taken += RECORD_HEADER + e->bytes;
	}
	EXPECT_EQ(self->run.out.len, queued);
	EXPECT_EQ(self->run.out.len, taken);
	EXPECT_EQ(self->run.out.len, moved(&self->t, "save"));
}

TEST_F(trace, a_load_has_all_its_events)
{
	char records[128];

	ASSERT_EQ(0, sequence_run(&sequence_resume, &self->dev, &self->state,
				  &self->run));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_STREQ("", not_nested(&self->t));
	EXPECT_LIST("RUNNING_P2P STOP RESUMING STOP RUNNING_P2P RUNNING ",
		    "arc_end", state);
	EXPECT_COMMANDS(self->seen->load);
	list(&self->t, "record", offsetof(struct event, tag), records, sizeof(records));
	/* An asynchronous load may end after the END record was parsed. */
	if (!self->nic->window || strcmp(records, "ident stop_copy_size end data "))
		EXPECT_STREQ(self->seen->loaded, records);
	EXPECT_EQ(self->state.len, moved(&self->t, "load"));
}

TEST_F(trace, a_load_that_began_before_the_exit_is_not_part_of_its_arc)
{
	int fd;

	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_delay(&self->lab, 100 * US_PER_MS);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	ASSERT_EQ(0, mig_write_all(fd, self->state.data, self->state.len, 4096, NULL));
	usleep(20 * US_PER_MS);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(fd);
	lab_delay(&self->lab, 0);
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_STREQ("", not_nested(&self->t));
	EXPECT_COMMANDS(self->seen->load);
}

TEST_F(trace, a_refused_save_fails_its_command_and_no_arc)
{
	struct event *e;
	int fd;

	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, nic_status(self->nic, EBUSY), 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(-EBUSY, mig_read_all(fd, 4096, &self->run.out));
	close(fd);
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_STREQ("", not_nested(&self->t));
	EXPECT_LIST("RUNNING_P2P STOP STOP_COPY ", "arc_end", to);
	EXPECT_LIST("RUNNING_P2P STOP STOP_COPY ", "arc_end", state);
	for (e = self->t.events; e < self->t.events + self->t.nr; e++) {
		if (!strcmp(e->name, "arc_end"))
			EXPECT_EQ(0, e->result);
	}
	e = find(&self->t, "command_end", "save");
	ASSERT_NE(NULL, e);
	EXPECT_EQ(-EBUSY, e->result);
	EXPECT_EQ(0, e->bytes);
}

TEST_F(trace, a_refused_session_fails_its_command_and_its_arc)
{
	struct event *e;

	if (!self->nic->op[NIC_BEGIN])
		SKIP(return, "no command begins a session");
	NEEDS_LAB(&self->lab, test_env.bdf);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_BEGIN], 1, nic_status(self->nic, EBUSY), 0);
	EXPECT_EQ(-EBUSY, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	EXPECT_STREQ("", not_nested(&self->t));
	EXPECT_LIST("RUNNING_P2P STOP STOP_COPY ", "arc_end", to);
	EXPECT_LIST("RUNNING_P2P STOP STOP ", "arc_end", state);
	for (e = self->t.events; e < self->t.events + self->t.nr; e++) {
		if (!strcmp(e->name, "arc_end"))
			EXPECT_EQ(strcmp(e->to, "STOP_COPY") ? 0 : -EBUSY, e->result);
	}
	e = find(&self->t, "command_end", "session_begin");
	ASSERT_NE(NULL, e);
	EXPECT_EQ(-EBUSY, e->result);
}

TEST_F(trace, a_duration_is_the_time_that_the_firmware_took)
{
	struct event *e;

	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_delay(&self->lab, 100 * US_PER_MS);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_delay(&self->lab, 0);
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	e = find(&self->t, "command_end", "quiesce");
	ASSERT_NE(NULL, e);
	EXPECT_LE(100 * NS_PER_MS, e->duration);
	EXPECT_GT(10000LL * NS_PER_MS, e->duration);
	e = find(&self->t, "arc_end", NULL);
	ASSERT_NE(NULL, e);
	EXPECT_LE(100 * NS_PER_MS, e->duration);
}

TEST_F(trace, a_reset_event_has_the_state_before_it)
{
	struct event *e;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_EQ(0, trace_read(&self->t, test_env.bdf));
	e = find(&self->t, "reset", NULL);
	ASSERT_NE(NULL, e);
	EXPECT_STREQ("STOP", e->was);
	EXPECT_STREQ("RUNNING", e->state);
	/* It was not at RUN, so the core makes sure. */
	EXPECT_EQ(1, e->raced);
}

SNAPSHOT_TEST_MAIN
