// SPDX-License-Identifier: GPL-2.0-only
/* Kernel memory that saving and loading a state takes. */
#include <errno.h>
#include <unistd.h>

#include "drive.h"
#include "memcg.h"

/* Memory at meter_begin(), which meter_peak() and meter_held() subtract */
struct meter {
	struct memcg cg;
	long long kernel, current;
};

static void meter_begin(struct meter *m)
{
	m->kernel = memcg_kernel(&m->cg);
	m->current = memcg_current(&m->cg);
	memcg_peak(&m->cg);
}

static long long meter_peak(struct meter *m)
{
	return memcg_peak(&m->cg) - m->current;
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
	long long limit;	/* of each cgroup, or 0 */
	struct drive d;
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
	TRY(memcg_open(&s->save.cg, "save"));
	TRY(memcg_open(&s->resume.cg, "resume"));
	if (s->limit) {
		TRY(memcg_limit(&s->save.cg, s->limit));
		TRY(memcg_limit(&s->resume.cg, s->limit));
	}
	meter_begin(&s->save);
	meter_begin(&s->resume);
	TRY(memcg_enter(&s->resume.cg));
	return mig_set(&s->d.dst, VFIO_DEVICE_STATE_RESUMING, &s->d.load);
}

/* Reading the cgroup's files takes kernel memory, too, so this is for large states only. */
static void note_held(struct sides *s, const char *when)
{
	if (!s->limit)
		NOTE("%s: source %lld kB, destination %lld kB", when,
		     meter_held(&s->save) / 1024, meter_held(&s->resume) / 1024);
}

static int migrate(struct sides *s, long long *save, long long *resume)
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
	*save = meter_peak(&s->save);
	*resume = meter_peak(&s->resume);
	return 0;
}

static int measure_memory(struct sides *s)
{
	long long save, resume;

	TRY(migrate(s, &save, &resume));
	FIGURE("bytes", at_least_0(save - (long long)LARGE), "memory_save");
	FIGURE("bytes", at_least_0(resume - (long long)LARGE), "memory_resume");
	FIGURE("bytes", save, "memory_save/peak");
	FIGURE("bytes", resume, "memory_resume/peak");
	return 0;
}

/*
 * The kernel charges 64 pages at a time, and single pages where the cgroup has no room
 * for 64. So the peak is exact to a page below this limit.
 */
#define EXACT (63 * 4 * KIB)

static int measure_small(struct sides *s)
{
	long long save, resume;

	s->limit = EXACT;
	TRY(migrate(s, &save, &resume));
	FIGURE("bytes", save, "memory_save_small");
	FIGURE("bytes", resume, "memory_resume_small");
	return 0;
}

/* Without pre-copy: the whole state is saved in the blackout. */
static int measure_final(struct sides *s)
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
	FIGURE("bytes", meter_peak(&s->save), "memory_save_1g");
	FIGURE("bytes", meter_peak(&s->resume), "memory_resume_1g");
	return 0;
}

static int run(const struct devices *devices, uint64_t pad,
	       int (*measure)(struct sides *s))
{
	struct sides s = {};
	int ret;

	TRY(drive_open(&s.d, devices));
	if (pad)
		drive_pad(&s.d, pad);
	ret = measure(&s) ?: drive_finish(&s.d) ?: drive_check(&s.d);
	memcg_close(&s.save.cg);
	memcg_close(&s.resume.cg);
	drive_close(&s.d);
	return ret;
}

int run_memory(const struct devices *devices)
{
	TRY(run(devices, 0, measure_small));
	return run(devices, LARGE, measure_memory);
}

int run_memory_1g(const struct devices *devices)
{
	return run(devices, GIB - MIB, measure_final);
}
