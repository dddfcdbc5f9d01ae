// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side of the engine of an emulated ConnectX VF. It makes the engine write to the guest's
 * memory all the time, and checks every word of that memory again and again.
 *
 *	engine [-p PAGES] [-b BATCH] [-u PERIOD_US] [-m MS]
 *
 * The engine makes BATCH writes every PERIOD_US to PAGES pages (a power of two) that are contiguous in
 * the guest's physical memory. There are MS milliseconds between two passes.
 *
 * Output, one line each, after "engine: ":
 *	waiting
 *	none			(devices were plugged in, but no ConnectX VF)
 *	found vendor ID device ID
 *	up ms= pages= batch= period_us= address=0x
 *	pass ms= number= before= after= written=
 *	error WHAT
 * before and after are the engine's count of writes at the start and end of the pass; written is the
 * number of words written to so far. The program ends with an error for a wrong page, a change of a
 * page next to the area, a write that the IOMMU refused, or a register that lost its value.
 */
#include "engine_area.h"
#include "engine-regs.h"
#include "guest_pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define VENDOR		0x15b3
#define DEVICE_VF	0x101e
#define DEVICES		"/sys/bus/pci/devices"
#define BAR_LEN		0x4000
#define SCAN_US		200000
#define SPARE		12	/* times more pages than needed are allocated to find a contiguous run */
#define PAGEMAP_PRESENT	(1ull << 63)
#define PAGEMAP_PFN	((1ull << 55) - 1)
#define SCRATCH		0x5c7a7c0000000000ull

struct options {
	size_t pages;
	uint64_t batch;
	uint64_t period_us;
	unsigned int rest_ms;
};

struct frame {
	uint64_t number;	/* of the page in the guest's physical memory */
	uint8_t *at;
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list args;

	fputs("engine: ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

#define fail(...)			\
	do {				\
		say("error " __VA_ARGS__);	\
		exit(1);		\
	} while (0)

/* ---- memory ---- */

static int by_number(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static uint64_t frame_number(int pagemap, const void *at)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)at / AREA_PAGE * sizeof(entry)) !=
	    sizeof(entry))
		fail("cannot read the pagemap: %s", strerror(errno));
	if (!(entry & PAGEMAP_PRESENT) || !(entry & PAGEMAP_PFN))
		fail("the pagemap does not tell where a page is: entry 0x%" PRIx64, entry);
	return entry & PAGEMAP_PFN;
}

/* Finds n contiguous frames and frees all other memory. */
static struct frame *find_run(size_t n)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i, all = n * SPARE, begin = 0;
	struct frame *frames = calloc(all, sizeof(*frames));
	uint8_t *mem = mmap(NULL, all * AREA_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

	if (pagemap < 0 || !frames || mem == MAP_FAILED)
		fail("no memory, or no pagemap: %s", strerror(errno));
	for (i = 0; i < all; i++) {
		frames[i].at = mem + i * AREA_PAGE;
		frames[i].number = frame_number(pagemap, frames[i].at);
	}
	close(pagemap);
	qsort(frames, all, sizeof(*frames), by_number);
	for (i = 1; i < all && i - begin < n; i++)
		if (frames[i].number != frames[i - 1].number + 1)
			begin = i;
	if (i - begin < n)
		fail("no %zu pages one after the other among %zu", n, all);
	for (i = 0; i < all; i++)
		if (i < begin || i >= begin + n)
			munmap(frames[i].at, AREA_PAGE);
	return frames + begin;
}

/* ---- the device ---- */

static unsigned int attribute(const char *device, const char *name)
{
	char path[PATH_MAX];
	unsigned int value = 0;
	FILE *file;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%x", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static bool find_device(char *bdf, size_t len)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		if (attribute(entry->d_name, "vendor") != VENDOR ||
		    attribute(entry->d_name, "device") != DEVICE_VF)
			continue;
		snprintf(bdf, len, "%s", entry->d_name);
		found = true;
	}
	closedir(dir);
	return found;
}

static int open_attribute(const char *bdf, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s: %s", path, strerror(errno));
	return fd;
}

/* Enables the device with bus mastering and maps its BAR. */
static volatile uint64_t *open_device(const char *bdf)
{
	int fd = open_attribute(bdf, "enable", O_WRONLY);
	uint16_t command;
	void *bar;

	if (write(fd, "1", 1) != 1)
		fail("cannot enable %s: %s", bdf, strerror(errno));
	close(fd);
	fd = open_attribute(bdf, "config", O_RDWR);
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		fail("cannot read the configuration of %s", bdf);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		fail("cannot write the configuration of %s", bdf);
	close(fd);
	fd = open_attribute(bdf, "resource0", O_RDWR | O_SYNC);
	bar = mmap(NULL, BAR_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		fail("cannot map BAR 0 of %s: %s", bdf, strerror(errno));
	close(fd);
	return bar;
}

struct setting {
	unsigned int reg;
	uint64_t value;
};

#define SETTINGS (6 + ENGINE_SCRATCHES)

static uint64_t read_reg(volatile uint64_t *bar, unsigned int reg)
{
	return bar[(ENGINE_BASE + reg) / 8];
}

static void settings_of(struct setting *settings, const struct options *opt, uint64_t address,
			uint64_t seed)
{
	struct setting fixed[] = {
		{ ENGINE_ADDRESS, address },
		{ ENGINE_LENGTH, opt->pages * AREA_PAGE },
		{ ENGINE_STRIDE, AREA_STRIDE },
		{ ENGINE_PERIOD_US, opt->period_us },
		{ ENGINE_BATCH, opt->batch },
		{ ENGINE_SEED, seed },
	};
	unsigned int i;

	memcpy(settings, fixed, sizeof(fixed));
	for (i = 0; i < ENGINE_SCRATCHES; i++)
		settings[6 + i] = (struct setting){ ENGINE_SCRATCH(i), SCRATCH + i };
}

static void check_settings(volatile uint64_t *bar, const struct setting *settings)
{
	unsigned int i;

	for (i = 0; i < SETTINGS; i++) {
		uint64_t value = read_reg(bar, settings[i].reg);

		if (value != settings[i].value)
			fail("register 0x%x is 0x%" PRIx64 ", was set to 0x%" PRIx64,
			     settings[i].reg, value, settings[i].value);
	}
	if (read_reg(bar, ENGINE_CONTROL) != ENGINE_RUN)
		fail("the engine does not run any more");
	if (read_reg(bar, ENGINE_REFUSED))
		fail("%" PRIu64 " writes were refused", read_reg(bar, ENGINE_REFUSED));
}

/* ---- */

static void fail_pass(const struct area_pass *pass, uint64_t before, uint64_t after, uint64_t address)
{
	char due[32] = "none";

	if (pass->due_any)
		snprintf(due, sizeof(due), "%" PRIu64, pass->due);
	fail("pages=%zu words=%zu wrong, the first page=%zu at 0x%" PRIx64 " + 0x%zx: value 0x%" PRIx64
	     ", write due %s, count %" PRIu64 " to %" PRIu64, pass->wrong_pages, pass->wrong, pass->page,
	     address + pass->page * AREA_PAGE, pass->offset, pass->value, due, before, after);
}

static void __attribute__((noreturn)) run(const struct options *opt, const struct area *area,
					  volatile uint64_t *const beside[2], uint64_t address,
					  volatile uint64_t *bar)
{
	struct setting settings[SETTINGS];
	unsigned int number, i;

	settings_of(settings, opt, address, area->seed);
	for (i = 0; i < SETTINGS; i++)
		bar[(ENGINE_BASE + settings[i].reg) / 8] = settings[i].value;
	bar[(ENGINE_BASE + ENGINE_CONTROL) / 8] = ENGINE_RUN;
	say("up ms=%.1f pages=%zu batch=%" PRIu64 " period_us=%" PRIu64 " address=0x%" PRIx64, now_ms(),
	    opt->pages, opt->batch, opt->period_us, address);
	for (number = 1;; number++) {
		uint64_t before = read_reg(bar, ENGINE_COUNT), after;
		struct area_pass pass;

		area_check(area, before, &pass);
		after = read_reg(bar, ENGINE_COUNT);
		if (pass.wrong)
			fail_pass(&pass, before, after, address);
		if (pass.written && pass.newest >= after)
			fail("write %" PRIu64 " is there, the count is %" PRIu64, pass.newest, after);
		for (i = 0; i < 2; i++)
			if (!area_page_is_filled(beside[i], opt->pages + i))
				fail("a page beside those of the engine has changed");
		check_settings(bar, settings);
		say("pass ms=%.1f number=%u before=%" PRIu64 " after=%" PRIu64 " written=%zu", now_ms(),
		    number, before, after, pass.written);
		usleep(opt->rest_ms * 1000);
	}
}

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: engine [-p PAGES] [-b BATCH] [-u PERIOD_US] [-m REST_MS]\n", stderr);
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	struct options opt = { .pages = 256, .batch = 16, .period_us = 10000, .rest_ms = 500 };
	int c;

	while ((c = getopt(argc, argv, "p:b:u:m:")) != -1) {
		switch (c) {
		case 'p':
			opt.pages = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			opt.batch = strtoul(optarg, NULL, 0);
			break;
		case 'u':
			opt.period_us = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			opt.rest_ms = strtoul(optarg, NULL, 0);
			break;
		default:
			usage();
		}
	}
	if (argc != optind || !opt.pages || opt.pages & (opt.pages - 1))
		usage();
	return opt;
}

int main(int argc, char **argv)
{
	struct options opt = parse(argc, argv);
	/* One more page at each end, to which nothing may write. */
	struct frame *frames = find_run(opt.pages + 2);
	volatile uint64_t **pages = calloc(opt.pages, sizeof(*pages));
	volatile uint64_t *beside[2];
	struct area area;
	char bdf[256];
	size_t i;

	if (!pages)
		fail("no memory");
	for (i = 0; i < opt.pages; i++)
		pages[i] = (volatile uint64_t *)frames[1 + i].at;
	beside[0] = (volatile uint64_t *)frames[0].at;
	beside[1] = (volatile uint64_t *)frames[1 + opt.pages].at;
	area_init(&area, pages, opt.pages);
	area_fill(&area);
	for (i = 0; i < 2; i++)
		area_fill_page(beside[i], opt.pages + i);

	say("waiting");
	while (!guest_pci_rescan())
		usleep(SCAN_US);
	if (!find_device(bdf, sizeof(bdf))) {
		say("none");
		return 0;
	}
	say("found vendor 0x%x device 0x%x", attribute(bdf, "vendor"), attribute(bdf, "device"));
	if (getrandom(&area.seed, sizeof(area.seed), GRND_NONBLOCK) != sizeof(area.seed))
		area.seed = (uint64_t)(now_ms() * 1e3) << 20;
	area.seed >>= 8;	/* so that no engine value equals a fill value */
	run(&opt, &area, beside, frames[1].number * AREA_PAGE, open_device(bdf));
}
