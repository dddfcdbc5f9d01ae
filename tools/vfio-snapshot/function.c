// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "device.h"
#include "function.h"
#include "sysfs.h"
#include "vfio-snapshot.h"

#define DEVICES "/sys/bus/pci/devices"
/* Bit of a virtio device's features: it has an administration virtqueue */
#define VIRTIO_F_ADMIN_VQ 41
/*
 * In a ConnectX firmware version the first number names the model, the others the
 * release: 28.36.1010 is the first one of ConnectX-7 with pre-copy.
 */
#define FIRMWARE_RELEASE 36
#define FIRMWARE_BUILD 1010

/* Devices of our back-ends, in case their modules are not installed. */
static const struct {
	long vendor;
	long device;
	const char *driver;
	const char *pf_driver;		/* it sends the firmware commands */
	unsigned int major, minor;	/* oldest kernel */
} ours[] = {
	{ 0x1af4, 0x1041, "virtio_snapshot_vfio_pci", "virtio-pci", 6, 13 },
	{ 0x1af4, 0x1042, "virtio_snapshot_vfio_pci", "virtio-pci", 6, 13 },
	{ 0x15b3, 0x101e, "mlx5_snapshot_vfio_pci", "mlx5_core", 6, 12 },
};

bool driver_loaded(const char *driver)
{
	return sys_exists("/sys/bus/pci/drivers/%s", driver);
}

static unsigned int wildcards(const char *pattern)
{
	unsigned int nr = 0;

	for (; *pattern; pattern++)
		nr += *pattern == '*';
	return nr;
}

/*
 * The driver with the most specific vfio_pci: alias, as libvirt chooses it. A
 * driver for any device, such as vfio-pci, cannot migrate it.
 */
static void best_alias(struct function *f)
{
	char line[512], alias[256], module[64], modalias[256], name[300];
	unsigned int best = ~0u;
	FILE *aliases;

	if (sys_read(modalias, sizeof(modalias), DEVICES "/%s/modalias", f->bdf))
		return;
	snprintf(name, sizeof(name), "vfio_%s", modalias);
	aliases = sys_open("/lib/modules/%s/modules.alias", f->kernel);
	if (!aliases)
		return;
	while (fgets(line, sizeof(line), aliases)) {
		if (sscanf(line, "alias %255s %63s", alias, module) != 2 ||
		    strncmp(alias, "vfio_pci:v", 10) || alias[10] == '*' ||
		    fnmatch(alias, name, 0))
			continue;
		if (f->ours && !strcmp(module, f->wanted))
			f->installed = true;
		if (f->ours || wildcards(alias) >= best)
			continue;
		best = wildcards(alias);
		snprintf(f->wanted, sizeof(f->wanted), "%s", module);
		f->installed = true;
	}
	fclose(aliases);
}

/* The device id of the VFs, which may differ from that of the PF. */
static long read_vf_device(const struct function *f)
{
	char text[16];

	if (sys_read(text, sizeof(text), DEVICES "/%s/sriov_vf_device", f->bdf))
		return -1;
	return strtol(text, NULL, 16);
}

static void read_wanted(struct function *f)
{
	long vf_device = read_vf_device(f);
	unsigned int major = 0, minor = 0;
	size_t i;

	sys_read(f->kernel, sizeof(f->kernel), "/proc/sys/kernel/osrelease");
	sscanf(f->kernel, "%u.%u", &major, &minor);
	for (i = 0; i < NR(ours); i++) {
		if (f->vendor != ours[i].vendor ||
		    (f->device != ours[i].device && vf_device != ours[i].device))
			continue;
		f->ours = true;
		snprintf(f->wanted, sizeof(f->wanted), "%s", ours[i].driver);
		f->pf_wanted = ours[i].pf_driver;
		snprintf(f->kernel_wanted, sizeof(f->kernel_wanted), "%u.%u", ours[i].major,
			 ours[i].minor);
		f->kernel_too_old = major < ours[i].major ||
				    (major == ours[i].major && minor < ours[i].minor);
	}
	best_alias(f);
	f->loaded = *f->wanted && driver_loaded(f->wanted);
	f->installed |= f->loaded;
}

static bool is_vfio(const char *bdf)
{
	return sys_exists(DEVICES "/%s/vfio-dev", bdf);
}

/* One user gets the whole group, except bridges. */
static void read_group(struct function *f)
{
	char **names, driver[64], class[16];
	int i, nr;

	nr = sys_names(&names, "/sys/class/iommu");
	f->iommu = nr > 0;
	sys_names_free(names, nr);

	if (sys_link(f->group, sizeof(f->group), DEVICES "/%s/iommu_group", f->bdf))
		return;
	nr = sys_names(&names, "/sys/kernel/iommu_groups/%s/devices", f->group);
	for (i = 0; i < nr && !*f->sharer; i++) {
		if (!strcmp(names[i], f->bdf) || is_vfio(names[i]) ||
		    sys_link(driver, sizeof(driver), DEVICES "/%s/driver", names[i]))
			continue;
		sys_read(class, sizeof(class), DEVICES "/%s/class", names[i]);
		if (!strncmp(class, "0x0604", 6) || !strcmp(driver, "pci-stub"))
			continue;
		snprintf(f->sharer, sizeof(f->sharer), "%.15s", names[i]);
		snprintf(f->sharer_driver, sizeof(f->sharer_driver), "%s", driver);
	}
	sys_names_free(names, nr);
}

/* mlx5_ib exports the version. Without that module only the driver checks it. */
static void read_firmware(struct function *f)
{
	unsigned int release, build;
	char ib[32];

	if (sys_first(ib, sizeof(ib), "mlx5_", DEVICES "/%s/infiniband", f->pf))
		return;
	sys_read(f->firmware, sizeof(f->firmware), DEVICES "/%s/infiniband/%s/fw_ver", f->pf, ib);
	if (sscanf(f->firmware, "%*u.%u.%u", &release, &build) == 2)
		f->firmware_too_old = release < FIRMWARE_RELEASE ||
				      (release == FIRMWARE_RELEASE && build < FIRMWARE_BUILD);
}

static void read_pf(struct function *f)
{
	char virtio[32], features[256];

	f->pf_admin = -1;
	f->autoprobe = true;
	f->vfs = sys_number(DEVICES "/%s/sriov_numvfs", f->bdf);
	f->vf = !sys_link(f->pf, sizeof(f->pf), DEVICES "/%s/physfn", f->bdf);
	if (!f->vf)
		return;
	f->autoprobe = sys_number(DEVICES "/%s/sriov_drivers_autoprobe", f->pf) != 0;
	sys_link(f->pf_driver, sizeof(f->pf_driver), DEVICES "/%s/driver", f->pf);
	read_firmware(f);
	if (sys_first(virtio, sizeof(virtio), "virtio", DEVICES "/%s", f->pf))
		return;
	sys_link(f->pf_virtio, sizeof(f->pf_virtio), DEVICES "/%s/%s/driver", f->pf, virtio);
	if (!sys_read(features, sizeof(features), DEVICES "/%s/%s/features", f->pf, virtio) &&
	    strlen(features) > VIRTIO_F_ADMIN_VQ)
		f->pf_admin = features[VIRTIO_F_ADMIN_VQ] == '1';
}

static bool holds(const struct function *f, const char *target)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", f->group);
	if (*f->group && !strcmp(target, path))
		return true;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", f->dev);
	return *f->dev && !strcmp(target, path);
}

static bool process_holds(const struct function *f, const char *pid)
{
	char **fds, target[64];
	bool found = false;
	int i, nr;

	nr = sys_names(&fds, "/proc/%s/fd", pid);
	for (i = 0; i < nr && !found; i++) {
		char path[300];
		ssize_t got;

		/* The whole link target. */
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, fds[i]);
		got = sys_target(target, sizeof(target), path);
		found = got > 0 && holds(f, target);
	}
	sys_names_free(fds, nr);
	return found;
}

static void read_user(struct function *f)
{
	char **pids;
	int i, nr;

	nr = f->vfio ? sys_names(&pids, "/proc") : 0;
	for (i = 0; i < nr && !f->user; i++) {
		if (!isdigit((unsigned char)*pids[i]) || !process_holds(f, pids[i]))
			continue;
		f->user = atoi(pids[i]);
		sys_read(f->user_name, sizeof(f->user_name), "/proc/%s/comm", pids[i]);
	}
	if (f->vfio)
		sys_names_free(pids, nr);
}

int function_read(struct function *f, const char *bdf)
{
	*f = (struct function){};
	snprintf(f->bdf, sizeof(f->bdf), "%s", bdf);
	if (!sys_exists(DEVICES "/%s", bdf))
		return -ENODEV;
	f->vendor = sys_number(DEVICES "/%s/vendor", bdf);
	f->device = sys_number(DEVICES "/%s/device", bdf);
	sys_link(f->driver, sizeof(f->driver), DEVICES "/%s/driver", bdf);
	f->vfio = is_vfio(bdf);
	sys_first(f->dev, sizeof(f->dev), "vfio", DEVICES "/%s/vfio-dev", bdf);
	read_wanted(f);
	read_group(f);
	read_pf(f);
	read_user(f);
	return 0;
}

/* The tests put the driver's answer in a file: errno, flags, dirty tracking. */
static int fake_probe(struct function *f)
{
	unsigned int flags = 0, tracking = 0;
	char line[64];
	int err = 0;

	sys_read(line, sizeof(line), "/probe/%s", f->bdf);
	sscanf(line, "%d %x %u", &err, &flags, &tracking);
	f->flags = flags;
	f->dirty_tracking = tracking;
	return err;
}

/*
 * The driver may have the feature while the kernel cannot report pages. Only a
 * REPORT shows that: it fails here in any case, as nothing is tracked.
 */
static bool tracks_pages(struct vfio_dev *dev)
{
	uint64_t bitmap = 0;
	struct vfio_device_feature_dma_logging_report report = {
		.length = 4096,
		.page_size = 4096,
		.bitmap = (uintptr_t)&bitmap,
	};
	int err;

	if (mig_feature(dev, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0))
		return false;
	err = mig_feature(dev, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
			  &report, sizeof(report));
	return err != -EOPNOTSUPP && err != -ENOTTY;
}

static int probe(struct function *f)
{
	struct vfio_dev dev;
	int err;

	if (sys_is_fake())
		return fake_probe(f);
	err = device_open(&dev, f->bdf);
	if (err)
		return err;
	err = mig_flags(&dev, &f->flags);
	f->dirty_tracking = !err && tracks_pages(&dev);
	vfio_dev_close(&dev);
	return err;
}

void function_probe(struct function *f)
{
	if (!f->vfio || f->user || *f->sharer)
		return;
	f->probed = true;
	f->probe = probe(f);
	f->migratable = !f->probe && f->flags & VFIO_MIGRATION_STOP_COPY;
}
