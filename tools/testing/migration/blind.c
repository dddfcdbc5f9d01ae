// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded into QEMU: makes dirty tracking report that the device wrote nothing. QEMU then does
 * not send the written pages again, so that the check for this fails.
 */
#include <dlfcn.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stddef.h>

typedef int (*ioctl_fn)(int fd, unsigned long request, void *arg);

int ioctl(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
	static ioctl_fn next;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!next)
		next = (ioctl_fn)dlsym(RTLD_NEXT, "ioctl");
	if (request == VFIO_DEVICE_FEATURE) {
		const struct vfio_device_feature *feature = arg;

		switch (feature->flags & VFIO_DEVICE_FEATURE_MASK) {
		case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
			return 0;
		}
	}
	return next(fd, request, arg);
}
