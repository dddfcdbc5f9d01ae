// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state of 64 MiB: time of the arcs and of moving data, and calls of the page
 * allocator.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drive.h"
#include "pages.h"

static int migrate(const struct devices *devices, struct drive *d, bool drained)
{
	TRY(drive_open(d, devices));
	drive_pad(d, LARGE);
	d->aligned = true;
	TRY(drive_prepare(d));
	usleep(MEMORY_US);
	TRY(drive_ask_pending(d));
	/* As QEMU does with a small downtime limit. */
	if (drained)
		TRY(drive_move(d, LAP_READ_AHEAD, LAP_WRITE_AHEAD, &d->ahead));
	TRY(drive_blackout(d));
	TRY(drive_finish(d));
	return 0;
}

int run_precopy(const struct devices *devices)
{
	struct drive d;

	TRY(migrate(devices, &d, false));
	FIGURE("ns", d.lap[LAP_TO_STOP_COPY], "to_stop_copy_64m");
	FIGURE("ns", d.lap[LAP_TO_RESUMING_NDMA] + d.lap[LAP_TO_RUNNING],
	       "to_running_64m");
	FIGURE("ns", d.lap[LAP_TO_PRECOPY], "to_precopy_64m");
	FIGURE("ns", d.lap[LAP_READ], "read_64m/after_precopy");
	TRY(drive_check(&d));
	drive_close(&d);
	return 0;
}

int run_drained(const struct devices *devices)
{
	struct drive d;

	TRY(migrate(devices, &d, true));
	FIGURE("ns", d.lap[LAP_TO_STOP_COPY], "to_stop_copy_64m/drained");
	FIGURE("ns", d.lap[LAP_TO_RESUMING_NDMA] + d.lap[LAP_TO_RUNNING],
	       "to_running_64m/drained");
	TRY(drive_check(&d));
	drive_close(&d);
	return 0;
}

/*
 * Lower bound of a copy to user memory: one string instruction. The kernel uses it on a
 * CPU without fast short string copies.
 */
static uint64_t one_copy(void *to, const void *from, size_t len)
{
	uint64_t begin = now_ns();
	size_t words = len / 8;

	asm volatile("rep movsq"
		     : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	return now_ns() - begin;
}

#define HUGE_PAGE (2 * MIB)

/*
 * Time in which the kernel zeroes new memory, as it does for each page that a driver
 * allocates for a load (init_on_alloc=1). With huge pages there is hardly a page fault in it.
 */
static int one_zeroing(size_t len, uint64_t *ns)
{
	struct rusage before, after;
	uint8_t *mem, *huge;
	size_t at;

	mem = mmap(NULL, len + HUGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	huge = mem + (-(uintptr_t)mem & (HUGE_PAGE - 1));
	if (madvise(huge, len, MADV_HUGEPAGE))
		return -errno;
	past_tick();
	getrusage(RUSAGE_SELF, &before);
	*ns = now_ns();
	for (at = 0; at < len; at += HUGE_PAGE)
		huge[at] = 1;
	*ns = now_ns() - *ns;
	getrusage(RUSAGE_SELF, &after);
	munmap(mem, len + HUGE_PAGE);
	NOTE("%ld page faults zeroed %zu MiB in %llu ns", after.ru_minflt - before.ru_minflt,
	     len / (size_t)MIB, (unsigned long long)*ns);
	/* More faults: there were not enough huge pages. */
	return after.ru_minflt - before.ru_minflt > (long)(len / HUGE_PAGE) + 1 ? -ENOMEM : 0;
}

int run_direct(const struct devices *devices)
{
	uint64_t to_stop_copy, to_running, zeroing = 0, copy;
	struct drive d;
	uint8_t *from, *to;

	TRY(drive_open(&d, devices));
	drive_pad(&d, LARGE);
	d.room = QEMU_READ;
	d.aligned = true;
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_STOP, NULL));
	TRY(mig_set(&d.dst, VFIO_DEVICE_STATE_RESUMING, &d.load));
	usleep(SETTLE_US);
	past_tick();
	TRY(timed_arc(&d.src, VFIO_DEVICE_STATE_STOP_COPY, &d.save, &to_stop_copy));
	TRY(drive_move(&d, LAP_READ, LAP_WRITE, &d.rest));
	past_tick();
	TRY(timed_arc(&d.dst, VFIO_DEVICE_STATE_RUNNING, NULL, &to_running));
	FIGURE("ns", to_stop_copy, "direct_stop_copy_64m");
	FIGURE("ns", d.lap[LAP_READ], "read_64m");
	FIGURE("ns", d.lap[LAP_WRITE], "write_64m");
	NOTE("RESUMING-RUNNING: %llu ns", (unsigned long long)to_running);
	TRY(drive_finish(&d));
	TRY(drive_check(&d));
	drive_close(&d);

	/* An earlier allocation would fragment the memory of the measurement. */
	from = touched(LARGE);
	to = touched(LARGE);
	if (!from || !to)
		return -ENOMEM;
	copy = one_copy(to, from, LARGE);
	TRY(one_zeroing(LARGE, &zeroing));
	FIGURE("ns", copy, "read_64m/bound");
	FIGURE("ns", zeroing + copy, "write_64m/bound");
	return 0;
}

/* Page allocator calls of the arcs into and out of the blackout */
int run_pages(const struct devices *devices)
{
	struct drive d;
	struct pages p;
	int ret;

	TRY(pages_open(&p));
	TRY(drive_open(&d, devices));
	drive_pad(&d, LARGE);
	TRY(drive_prepare(&d));
	usleep(MEMORY_US);
	TRY(drive_ask_pending(&d));
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	pages_begin(&p);
	ret = mig_set(&d.src, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	pages_end(&p);
	TRY(ret);
	FIGURE("pages", p.allocated + p.freed, "to_stop_copy_64m/pages");
	NOTE("%llu pages allocated, %llu freed", p.allocated, p.freed);

	TRY(drive_move(&d, LAP_READ, LAP_WRITE, &d.rest));
	pages_begin(&p);
	ret = mig_set(&d.dst, VFIO_DEVICE_STATE_RUNNING, NULL);
	pages_end(&p);
	TRY(ret);
	FIGURE("pages", p.allocated + p.freed, "to_running_64m/pages");
	NOTE("%llu pages allocated, %llu freed", p.allocated, p.freed);
	TRY(drive_finish(&d));
	TRY(drive_check(&d));
	pages_close(&p);
	drive_close(&d);
	return 0;
}
