// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "stall.h"

int stall_open(struct stall *stall)
{
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int ret;

	*stall = (struct stall){ .uffd = -1, .len = sysconf(_SC_PAGESIZE) };
	stall->mem = mmap(NULL, stall->len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stall->mem == MAP_FAILED) {
		stall->mem = NULL;
		return -errno;
	}
	stall->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	area.range.start = (uintptr_t)stall->mem;
	area.range.len = stall->len;
	if (stall->uffd >= 0 && !ioctl(stall->uffd, UFFDIO_API, &api) &&
	    !ioctl(stall->uffd, UFFDIO_REGISTER, &area))
		return 0;
	ret = -errno;
	stall_close(stall);
	return ret;
}

int stall_wait(struct stall *stall)
{
	struct pollfd wait = { .fd = stall->uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&wait, 1, 5000) != 1)
		return -ETIMEDOUT;
	if (read(stall->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -errno;
	return msg.event == UFFD_EVENT_PAGEFAULT ? 0 : -EPROTO;
}

int stall_release(struct stall *stall, const void *data, size_t len)
{
	uint8_t page[stall->len];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)stall->mem,
		.src = (uintptr_t)page,
		.len = stall->len,
	};

	memset(page, 0, sizeof(page));
	memcpy(page, data, len);
	return ioctl(stall->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

void stall_close(struct stall *stall)
{
	if (stall->uffd >= 0)
		close(stall->uffd);
	if (stall->mem)
		munmap(stall->mem, stall->len);
	stall->uffd = -1;
	stall->mem = NULL;
}
