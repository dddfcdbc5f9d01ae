// SPDX-License-Identifier: GPL-2.0-only
/*
 * The largest state that migrates, up to 1 GiB, also with fragmented memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drive.h"

/* One migration. The reset at the close restores the devices. */
static int migrate(const struct devices *devices, uint64_t pad, uint64_t *state)
{
	struct drive d;

	TRY(drive_open(&d, devices));
	drive_pad(&d, pad);
	TRY(mig_data_size(&d.src, state));
	TRY(drive_prepare(&d));
	TRY(drive_blackout(&d));
	TRY(drive_finish(&d));
	TRY(work_send(&d.there, 0, 1));
	NOTE("%llu bytes in the final image's records, STOP_COPY in %llu ns",
	     (unsigned long long)d.rest, (unsigned long long)d.lap[LAP_TO_STOP_COPY]);
	drive_close(&d);
	munmap(d.buf, QEMU_READ);
	return 0;
}

#define SMALLEST MIB

/*
 * Prints each size that worked: a driver may hang with the next one, and then the
 * caller stops the machine.
 */
int run_size(const struct devices *devices)
{
	uint64_t pad, others, state;

	/* The state is larger than its pad by this much. */
	TRY(migrate(devices, SMALLEST, &state));
	others = state - SMALLEST;
	for (pad = 2 * SMALLEST; pad <= GIB; pad *= 2) {
		TRY(migrate(devices, pad - others, &state));
		FIGURE("bytes", state, "size_max");
	}
	return 0;
}

static void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		NOTE("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static uint64_t available(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %llu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb * KIB;
}

/* Memory for the machine itself; less than the state */
#define LEAVE (40 * MIB)

/*
 * Fragments memory into single pages: locks nearly all of it as pages of a file, because
 * every other page of a file can be freed while it is locked.
 */
static uint8_t *fragment(size_t *len)
{
	size_t page = 4 * KIB, at, have = (available() - LEAVE) & ~(MIB - 1);
	int fd = memfd_create("ballast", MFD_CLOEXEC);
	uint8_t *mem;

	put("/proc/sys/vm/min_free_kbytes", "4096");	/* far less than LEAVE */
	put("/proc/sys/vm/compact_unevictable_allowed", "0");
	put("/proc/sys/vm/overcommit_memory", "1");
	if (fd < 0 || ftruncate(fd, have))
		return NULL;
	mem = mmap(NULL, have, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return NULL;
	if (mlock(mem, have))
		NOTE("mlock: %s", strerror(errno));
	for (at = 0; at < have; at += 2 * page)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, page))
			break;
	if (at < have)
		NOTE("fallocate: %s", strerror(errno));
	close(fd);
	*len = have;
	return mem;
}

int run_fragmented(const struct devices *devices)
{
	uint8_t *mem;
	struct drive d;
	size_t len = 0;
	int ret, state;

	TRY(drive_open(&d, devices));
	drive_pad(&d, LARGE);
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_STOP, NULL));
	mem = fragment(&len);
	if (!mem)
		return -ENOMEM;
	NOTE("%zu MiB taken, %llu MiB free", len / (size_t)MIB,
	     (unsigned long long)(available() / MIB));
	put("/proc/sys/vm/drop_caches", "1");
	ret = mig_set(&d.src, VFIO_DEVICE_STATE_STOP_COPY, &d.save);
	state = mig_get(&d.src);
	NOTE("STOP_COPY: %s, then %s, and the device is%s stopped",
	     strerror(-ret), mig_state_name(state), lab_stopped(&d.lab) ? "" : " not");
	FIGURE("errno", -ret, "size_max/fragmented_errno");
	FIGURE("state", state, "size_max/fragmented_state");
	munmap(mem, len);
	if (d.save >= 0)
		close(d.save);
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_STOP, NULL));
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_STOP_COPY, &d.save));
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_RUNNING, NULL));
	NOTE("with its memory back, it saves");
	close(d.save);
	drive_close(&d);
	return 0;
}
