// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab.h"

#define DEVICES "/sys/bus/pci/devices"
#define MAX_VFS ((LAB_SIZE - LAB_VF(0)) / (LAB_VF(1) - LAB_VF(0)))

/* The last component of the target of link @path */
static int link_base(const char *path, char *name, size_t len)
{
	char target[PATH_MAX];
	ssize_t got = readlink(path, target, sizeof(target) - 1);

	if (got < 0)
		return -errno;
	target[got] = '\0';
	snprintf(name, len, "%s", basename(target));
	return 0;
}

static int find_vf(struct lab *lab, const char *vf_bdf)
{
	char path[PATH_MAX], name[16];

	snprintf(path, sizeof(path), DEVICES "/%s/physfn", vf_bdf);
	if (link_base(path, lab->pf, sizeof(lab->pf)))
		return -ENODEV;
	for (lab->vf = 0; lab->vf < MAX_VFS; lab->vf++) {
		snprintf(path, sizeof(path), DEVICES "/%s/virtfn%u", lab->pf,
			 lab->vf);
		if (!link_base(path, name, sizeof(name)) &&
		    !strcmp(name, vf_bdf))
			return 0;
	}
	return -ENODEV;
}

int lab_open(struct lab *lab, const char *vf_bdf)
{
	char path[PATH_MAX];
	struct stat st;
	void *regs;
	int fd, ret;

	memset(lab, 0, sizeof(*lab));
	ret = find_vf(lab, vf_bdf);
	if (ret)
		return ret;

	snprintf(path, sizeof(path), DEVICES "/%s/resource%d", lab->pf, LAB_BAR);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	if (fstat(fd, &st) || st.st_size < LAB_SIZE) {
		close(fd);
		return -ENODEV;
	}
	regs = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ret = -errno;
	close(fd);
	if (regs == MAP_FAILED)
		return ret;

	lab->regs = regs;
	lab->len = st.st_size;
	if (lab_get(lab, LAB_ID) != LAB_ID_VALUE) {
		munmap(regs, lab->len);
		lab->regs = NULL;
		return -ENODEV;
	}
	lab_reset(lab);
	return 0;
}

void lab_close(struct lab *lab)
{
	if (!lab->regs)
		return;
	lab_reset(lab);
	munmap((void *)lab->regs, lab->len);
	lab->regs = NULL;
}

uint64_t lab_get(struct lab *lab, unsigned int reg)
{
	return le64toh(lab->regs[reg / 8]);
}

void lab_set(struct lab *lab, unsigned int reg, uint64_t value)
{
	lab->regs[reg / 8] = htole64(value);
}

uint64_t lab_vf_get(struct lab *lab, unsigned int reg)
{
	return lab_get(lab, LAB_VF(lab->vf) + reg);
}

void lab_vf_set(struct lab *lab, unsigned int reg, uint64_t value)
{
	lab_set(lab, LAB_VF(lab->vf) + reg, value);
}

void lab_reset(struct lab *lab)
{
	lab_set(lab, LAB_RESET, 1);
}

void lab_only_this_vf(struct lab *lab, bool only)
{
	lab_set(lab, LAB_MEMBER, only ? lab->vf + 1 : 0);
}

static uint64_t commands(struct lab *lab, unsigned int opcode)
{
	return opcode == LAB_ANY_OPCODE ? lab_get(lab, LAB_TOTAL) :
					  lab_count(lab, opcode);
}

void lab_fail(struct lab *lab, unsigned int opcode, unsigned int nth,
	      uint32_t status, unsigned int flags)
{
	lab_set(lab, LAB_FAIL_NTH, 0);
	lab_set(lab, LAB_FAIL_OPCODE, opcode);
	lab_set(lab, LAB_FAIL_STATUS, status);
	lab_set(lab, LAB_FAIL_FLAGS, flags);
	lab->fail_from = commands(lab, opcode);
	lab->fail_opcode = opcode;
	lab->fail_nth = nth;
	/* Last: this write arms the fault. */
	lab_set(lab, LAB_FAIL_NTH, nth);
}

bool lab_fail_met(struct lab *lab)
{
	return commands(lab, lab->fail_opcode) - lab->fail_from >= lab->fail_nth;
}

void lab_fail_off(struct lab *lab)
{
	lab_set(lab, LAB_FAIL_NTH, 0);
	lab_set(lab, LAB_FAIL_FLAGS, 0);
}

void lab_drop(struct lab *lab, unsigned int opcode, unsigned int nth)
{
	lab_set(lab, LAB_DROP_OPCODE, opcode);
	lab_set(lab, LAB_DROP_NTH, nth);
}

void lab_delay(struct lab *lab, unsigned int us)
{
	lab_set(lab, LAB_DELAY_US, us);
}

void lab_corrupt(struct lab *lab, unsigned int nth, unsigned int offset,
		 uint8_t mask)
{
	lab_set(lab, LAB_CORRUPT_OFFSET, offset);
	lab_set(lab, LAB_CORRUPT_MASK, mask);
	lab_set(lab, LAB_CORRUPT_NTH, nth);
}

void lab_mark(struct lab *lab, bool begin)
{
	lab_set(lab, LAB_MARK, begin ? 0 : 1);
}

uint64_t lab_count(struct lab *lab, unsigned int opcode)
{
	return lab_get(lab, LAB_COUNT(opcode));
}

uint64_t lab_between(struct lab *lab, unsigned int opcode)
{
	return lab_get(lab, LAB_BETWEEN(opcode));
}

uint64_t lab_between_all(struct lab *lab)
{
	uint64_t sum = 0;
	unsigned int ops = lab->len < LAB_WIDE_SIZE ? LAB_OPCODES : LAB_WIDE_OPCODES;
	unsigned int op;

	for (op = 0; op < ops; op++)
		sum += lab_between(lab, op);
	return sum;
}

/* A driver removes its objects within this time. */
#define REST_MS 200

uint64_t lab_objects_at_rest(struct lab *lab)
{
	uint64_t objects = lab_get(lab, LAB_OBJECTS);
	unsigned int ms, tries;

	for (ms = 0, tries = 0; ms < REST_MS && tries < 10000; ms++, tries++) {
		uint64_t now = lab_get(lab, LAB_OBJECTS);

		if (now != objects)
			ms = 0;
		objects = now;
		usleep(1000);
	}
	return objects;
}

int lab_wait_objects(struct lab *lab, uint64_t want)
{
	int tries;

	for (tries = 0; tries < 10000; tries++) {
		if (lab_get(lab, LAB_OBJECTS) == want)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

bool lab_stopped(struct lab *lab)
{
	return lab_vf_get(lab, LAB_VF_STATUS) & LAB_VF_STOPPED;
}

uint64_t lab_halted(struct lab *lab)
{
	return lab_vf_get(lab, LAB_VF_STATUS) & (LAB_VF_STOPPED | LAB_VF_QUIET);
}

void lab_writer_start(struct lab *lab, uint64_t iova, unsigned int us)
{
	lab_vf_set(lab, LAB_VF_WRITE_US, 0);
	lab_vf_set(lab, LAB_VF_WRITE_ADDR, iova);
	lab_vf_set(lab, LAB_VF_WRITE_US, us);
}

void lab_writer_stop(struct lab *lab)
{
	lab_vf_set(lab, LAB_VF_WRITE_US, 0);
}
