// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "vfio-snapshot.h"
#include "why.h"

static bool no_iommu(const struct function *f)
{
	return !f->iommu;
}

static bool no_group(const struct function *f)
{
	return f->iommu && !*f->group;
}

static bool group_shared(const struct function *f)
{
	return *f->sharer;
}

static bool no_driver_known(const struct function *f)
{
	return !*f->wanted;
}

static bool is_pf(const struct function *f)
{
	return *f->wanted && !f->vf && f->vfs == 0;
}

static bool is_pf_with_vfs(const struct function *f)
{
	return *f->wanted && !f->vf && f->vfs > 0;
}

static bool no_vf(const struct function *f)
{
	return *f->wanted && !f->vf && f->vfs < 0;
}

static bool kernel_too_old(const struct function *f)
{
	return f->kernel_too_old;
}

static bool pf_without_driver(const struct function *f)
{
	return f->vf && !*f->pf_driver;
}

/* From here on: devices of our back-ends, which need the PF and its driver. */
static bool pf_works(const struct function *f)
{
	return f->ours && f->vf && !strcmp(f->pf_driver, f->pf_wanted);
}

static bool pf_wrong_driver(const struct function *f)
{
	return f->ours && f->vf && *f->pf_driver && !pf_works(f);
}

static bool of_virtio(const struct function *f)
{
	return pf_works(f) && !strcmp(f->pf_wanted, "virtio-pci");
}

static bool of_connectx(const struct function *f)
{
	return pf_works(f) && !strcmp(f->pf_wanted, "mlx5_core");
}

static bool pf_device_without_driver(const struct function *f)
{
	return of_virtio(f) && !*f->pf_virtio;
}

static bool pf_without_admin_queue(const struct function *f)
{
	return of_virtio(f) && *f->pf_virtio && f->pf_admin == 0;
}

static bool firmware_too_old(const struct function *f)
{
	return of_connectx(f) && f->firmware_too_old;
}

static bool not_installed(const struct function *f)
{
	return f->vf && *f->wanted && !f->installed;
}

static bool not_loaded(const struct function *f)
{
	return f->vf && f->installed && !f->loaded;
}

static bool not_bound(const struct function *f)
{
	return *f->wanted && f->vf && !*f->driver;
}

static bool wrong_driver(const struct function *f)
{
	return *f->wanted && f->vf && *f->driver && strcmp(f->driver, f->wanted);
}

static bool in_use(const struct function *f)
{
	return f->user;
}

static bool probe_said(const struct function *f, int err)
{
	return f->probed && f->probe == err;
}

static bool not_permitted(const struct function *f)
{
	return probe_said(f, -EACCES);
}

static bool no_way_in(const struct function *f)
{
	return probe_said(f, -ENOENT) || probe_said(f, -ENODEV);
}

static bool busy(const struct function *f)
{
	return probe_said(f, -EBUSY);
}

static bool right_driver(const struct function *f)
{
	return *f->wanted && !strcmp(f->driver, f->wanted);
}

static bool no_device_parts(const struct function *f)
{
	return of_virtio(f) && probe_said(f, -ENOTTY) && right_driver(f);
}

static bool not_let(const struct function *f)
{
	return of_connectx(f) && probe_said(f, -ENOTTY) && right_driver(f);
}

static bool no_migration(const struct function *f)
{
	return probe_said(f, -ENOTTY) && right_driver(f) && !f->ours;
}

static bool probe_failed(const struct function *f)
{
	return f->probed && f->probe && !not_permitted(f) && !no_way_in(f) && !busy(f) &&
	       f->probe != -ENOTTY;
}

/* In the order in which to fix them. */
const struct why whys[] = {
	{ "no-iommu", no_iommu,
	  "the host has no IOMMU that is turned on",
	  "turn on VT-d or AMD-Vi in the firmware's set-up; on Intel, boot with intel_iommu=on", false },
	{ "no-iommu-group", no_group,
	  "the IOMMU does not cover this function",
	  "look for DMAR or AMD-Vi in the kernel log: the firmware's tables may be wrong", false },
	{ "iommu-group-shared", group_shared,
	  "IOMMU group {group} is shared with {sharer}, which {sharer-driver} drives",
	  "bind {sharer} to vfio-pci too, or use a slot that the host isolates (PCIe ACS)", false },
	{ "no-driver-known", no_driver_known,
	  "no driver on this host is known to migrate a device {id}",
	  "none: it can be assigned with vfio-pci, without live migration", false },
	{ "physical-function", is_pf,
	  "this is the physical function, only its virtual functions can be migrated",
	  "echo 4 > /sys/bus/pci/devices/{bdf}/sriov_numvfs", false },
	{ "physical-function-with-vfs", is_pf_with_vfs,
	  "this is the physical function, only its {vfs} virtual functions can be migrated",
	  "vfio-snapshot list", false },
	{ "not-a-vf", no_vf,
	  "this is not a virtual function: there is no physical function to save its state",
	  "use a virtual function of an SR-IOV NIC", false },
	{ "kernel-too-old", kernel_too_old,
	  "kernel {kernel} lacks what {wanted} needs",
	  "boot Linux {kernel-wanted} or later; on Debian 13 that of backports", false },
	{ "pf-without-driver", pf_without_driver,
	  "the physical function {pf} has no driver, so nothing can talk to its firmware",
	  "echo {pf} > /sys/bus/pci/drivers_probe", true },
	{ "pf-wrong-driver", pf_wrong_driver,
	  "the physical function {pf} is driven by {pf-driver}, not by {pf-wanted}",
	  "give {pf} back to {pf-wanted}: vfio-snapshot unbind {pf}", true },
	{ "pf-device-without-driver", pf_device_without_driver,
	  "the virtio device of the physical function {pf} has no driver, so its administration queue is off",
	  "modprobe virtio_net (for a block device: virtio_blk)", true },
	{ "pf-without-admin-queue", pf_without_admin_queue,
	  "the physical function {pf} has no administration virtqueue, so no device parts",
	  "look for newer firmware: the NIC must implement VIRTIO 1.4 device parts", false },
	{ "firmware-too-old", firmware_too_old,
	  "the firmware of the physical function {pf}, {firmware}, is older than 36.1010 (of ConnectX-7: 28.36.1010), so there is no pre-copy",
	  "update it, with the vendor's mlxfwmanager or flint, and reset the NIC", false },
	{ "module-not-installed", not_installed,
	  "the module {wanted} is not installed for kernel {kernel}",
	  "install the vfio-snapshot DKMS package, or run make modules modules_install in its source", false },
	{ "module-not-loaded", not_loaded,
	  "the module {wanted} is not loaded",
	  "vfio-snapshot bind {bdf}", false },
	{ "no-driver-bound", not_bound,
	  "no driver is bound to it",
	  "vfio-snapshot bind {bdf}", false },
	{ "wrong-driver", wrong_driver,
	  "its driver is {driver}, which cannot migrate it",
	  "vfio-snapshot bind {bdf}", false },
	{ "in-use", in_use,
	  "process {user} ({user-name}) uses it, so it cannot be asked",
	  "ask that process (QEMU: query-migrate), or vfio-snapshot watch {bdf}", false },
	{ "not-permitted", not_permitted,
	  "it may not be opened",
	  "run this as root", false },
	{ "no-vfio-interface", no_way_in,
	  "the kernel has neither /dev/vfio/vfio nor /dev/iommu",
	  "modprobe vfio_iommu_type1", false },
	{ "busy", busy,
	  "a process that is not visible from here has it open",
	  "look for a container or another PID namespace that uses it", false },
	{ "pf-without-device-parts", no_device_parts,
	  "the firmware of the physical function {pf} offers no device parts for it",
	  "look for newer firmware: the NIC must implement VIRTIO 1.4 device parts", false },
	{ "vf-not-migratable", not_let,
	  "the physical function {pf} does not allow its migration",
	  "see what {driver} says: dmesg | vfio-snapshot explain", false },
	{ "no-migration", no_migration,
	  "{driver} says that this device cannot be migrated",
	  "look for a line of {driver} in the kernel log, and for newer firmware", false },
	{ "cannot-be-opened", probe_failed,
	  "it cannot be opened: {probe}",
	  "look at the end of the kernel log", false },
};

const unsigned int nr_whys = NR(whys);

bool why_holds(const struct why *why, const struct function *f)
{
	return (!f->migratable || why->even_so) && why->holds(f);
}

/* The value of a {word} in a text; @number is a buffer for numbers. */
static const char *word(const struct function *f, const char *name, size_t len, char number[32])
{
	const struct {
		const char *name;
		const char *value;	/* NULL: the number */
		long number;
	} words[] = {
		{ "bdf", f->bdf, 0 }, { "driver", f->driver, 0 }, { "firmware", f->firmware, 0 },
		{ "group", f->group, 0 }, { "kernel", f->kernel, 0 },
		{ "kernel-wanted", f->kernel_wanted, 0 }, { "pf", f->pf, 0 },
		{ "pf-driver", f->pf_driver, 0 }, { "pf-wanted", f->pf_wanted, 0 },
		{ "probe", strerror(-f->probe), 0 }, { "sharer", f->sharer, 0 },
		{ "sharer-driver", f->sharer_driver, 0 }, { "user", NULL, f->user },
		{ "user-name", f->user_name, 0 }, { "vfs", NULL, f->vfs },
		{ "wanted", f->wanted, 0 },
	};
	size_t i;

	if (len == 2 && !strncmp(name, "id", 2)) {
		snprintf(number, 32, "%04lx:%04lx", f->vendor & 0xffff, f->device & 0xffff);
		return number;
	}
	for (i = 0; i < NR(words); i++) {
		if (strlen(words[i].name) != len || strncmp(words[i].name, name, len))
			continue;
		snprintf(number, 32, "%ld", words[i].number);
		return words[i].value ? words[i].value : number;
	}
	return "?";
}

void why_text(char *out, size_t size, const char *text, const struct function *f)
{
	FILE *to = fmemopen(out, size, "w");
	char number[32];

	*out = '\0';
	if (!to)
		return;
	for (; *text; text++) {
		const char *end = *text == '{' ? strchr(text, '}') : NULL;

		if (!end) {
			fputc(*text, to);
			continue;
		}
		fputs(word(f, text + 1, end - text - 1, number), to);
		text = end;
	}
	fclose(to);
	out[size - 1] = '\0';
}

void why_print(FILE *out, const struct function *f)
{
	char text[512];
	unsigned int i;

	for (i = 0; i < nr_whys; i++) {
		if (!why_holds(&whys[i], f))
			continue;
		why_text(text, sizeof(text), whys[i].reason, f);
		fprintf(out, "    why:  %s\n", text);
		why_text(text, sizeof(text), whys[i].next, f);
		fprintf(out, "    next: %s\n", text);
	}
}
