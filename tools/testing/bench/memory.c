// SPDX-License-Identifier: GPL-2.0-only
/* Kernel memory that saving and loading a state takes. */
#include <errno.h>
#include <unistd.h>

#include "drive.h"
#include "memcg.h"

struct meter {
	struct memcg cg;
	long long limit;	/* of the cgroup, or 0 */
	/* At meter_begin(); meter_end() and meter_held() subtract it */
	long long kernel, current;
	long long peak;
};

static int meter_begin(struct meter *m, const char *name)
{
	TRY(memcg_open(&m->cg, name));
	if (m->limit)
		TRY(memcg_limit(&m->cg, m->limit));
	m->kernel = memcg_kernel(&m->cg);
	m->current = memcg_current(&m->cg);
	memcg_peak(&m->cg);
	return 0;
}

static void meter_end(struct meter *m)
{
	m->peak = memcg_peak(&m->cg) - m->current;
}

static long long meter_held(struct meter *m)
{
	return memcg_kernel(&m->cg) - m->kernel;
}

static long long at_least_0(long long bytes)
{
	return bytes > 0 ? bytes : 0;
}

/* The source's memory is charged to one cgroup, the destination's to another. */
struct sides {
	struct meter save, resume;
	struct drive d;
	bool large;
};

/* Like drive_move() */
static int move(struct sides *s, uint64_t *bytes)
{
	struct drive *d = &s->d;

	for (;;) {
		ssize_t got;

		TRY(memcg_enter(&s->save.cg));
		got = read(d->save, d->buf, d->room);
		if (got <= 0)
			return got && errno != ENOMSG ? -errno : 0;
		*bytes += got;
		TRY(memcg_enter(&s->resume.cg));
		TRY(mig_write_all(d->load, d->buf, got, d->chunk, NULL));
	}
}

static int begin(struct sides *s)
{
	TRY(meter_begin(&s->save, "save"));
	TRY(meter_begin(&s->resume, "resume"));
	TRY(memcg_enter(&s->resume.cg));
	return mig_set(&s->d.dst, VFIO_DEVICE_STATE_RESUMING, &s->d.load);
}

/* Reading the cgroup's files takes kernel memory, too, which would count with a small state. */
static void note_held(struct sides *s, const char *when)
{
	if (s->large)
		NOTE("%s: source %lld kB, destination %lld kB", when,
		     meter_held(&s->save) / 1024, meter_held(&s->resume) / 1024);
}

static int migrate(struct sides *s)
{
	struct drive *d = &s->d;

	TRY(begin(s));
	TRY(memcg_enter(&s->save.cg));
	TRY(drive_read_size(d));
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_PRE_COPY, &d->save));
	TRY(move(s, &d->ahead));
	note_held(s, "the first image read and loaded");
	usleep(MEMORY_US);
	TRY(drive_ask_pending(d));
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	note_held(s, "stopped");
	TRY(move(s, &d->rest));
	note_held(s, "all of it moved");
	TRY(memcg_enter(&s->resume.cg));
	TRY(mig_set(&d->dst, VFIO_DEVICE_STATE_RUNNING, NULL));
	meter_end(&s->save);
	meter_end(&s->resume);
	return 0;
}

/* Without pre-copy: the whole state is saved in the blackout. */
static int migrate_stopped(struct sides *s)
{
	struct drive *d = &s->d;

	TRY(begin(s));
	TRY(memcg_enter(&s->save.cg));
	d->room = QEMU_READ;
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_STOP, NULL));
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_STOP_COPY, &d->save));
	TRY(move(s, &d->rest));
	TRY(memcg_enter(&s->resume.cg));
	TRY(mig_set(&d->dst, VFIO_DEVICE_STATE_RUNNING, NULL));
	meter_end(&s->save);
	meter_end(&s->resume);
	return 0;
}

static int measure(const struct devices *devices, uint64_t pad,
		   int (*how)(struct sides *s), struct sides *s)
{
	int ret;

	TRY(drive_open(&s->d, devices));
	if (pad)
		drive_pad(&s->d, pad);
	s->large = pad;
	ret = how(s) ?: drive_finish(&s->d) ?: drive_check(&s->d);
	memcg_close(&s->save.cg);
	memcg_close(&s->resume.cg);
	drive_close(&s->d);
	return ret;
}

/*
 * The kernel charges 64 pages at a time, and single pages where the cgroup has no room
 * for 64.
 */
#define BATCH (64 * 4 * KIB)
#define NO_BATCH (63 * 4 * KIB)

/* A side that took one batch runs again below that limit, so that its peak is exact. */
static int measure_small(const struct devices *devices)
{
	struct sides rough = {}, exact = {};

	TRY(measure(devices, 0, migrate, &rough));
	exact.save.limit = rough.save.peak <= (long long)BATCH ? NO_BATCH : 0;
	exact.resume.limit = rough.resume.peak <= (long long)BATCH ? NO_BATCH : 0;
	TRY(measure(devices, 0, migrate, &exact));
	FIGURE("bytes", exact.save.peak, "memory_save_small");
	FIGURE("bytes", exact.resume.peak, "memory_resume_small");
	return 0;
}

int run_memory(const struct devices *devices)
{
	struct sides s = {};

	TRY(measure_small(devices));
	TRY(measure(devices, LARGE, migrate, &s));
	FIGURE("bytes", at_least_0(s.save.peak - (long long)LARGE), "memory_save");
	FIGURE("bytes", at_least_0(s.resume.peak - (long long)LARGE), "memory_resume");
	FIGURE("bytes", s.save.peak, "memory_save/peak");
	FIGURE("bytes", s.resume.peak, "memory_resume/peak");
	return 0;
}

int run_memory_1g(const struct devices *devices)
{
	struct sides s = {};

	TRY(measure(devices, GIB - MIB, migrate_stopped, &s));
	FIGURE("bytes", s.save.peak, "memory_save_1g");
	FIGURE("bytes", s.resume.peak, "memory_resume_1g");
	return 0;
}
