/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts about one PCI function, from sysfs and procfs, and from the driver if the
 * device is not in use.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

struct function {
	char bdf[16];
	long vendor;
	long device;
	char driver[64];	/* "": none */
	char wanted[64];	/* the driver that can migrate it, "": none known */
	bool ours;		/* @wanted is a driver of this project */
	const char *pf_wanted;	/* the driver that the PF needs, if @ours */
	bool installed;		/* @wanted can be loaded */
	bool loaded;
	char kernel[64];
	bool kernel_too_old;
	char kernel_wanted[16];	/* oldest kernel that works */
	bool iommu;		/* the host has one */
	char group[16];		/* "": none */
	char sharer[16];	/* function of the same group with another driver */
	char sharer_driver[64];
	bool vf;
	char pf[16];
	char pf_driver[64];
	char pf_virtio[64];	/* driver of the PF's virtio device */
	int pf_admin;		/* the PF has an administration queue, -1: unknown */
	char firmware[32];	/* version of the PF's firmware, "": unknown */
	bool firmware_too_old;
	bool autoprobe;		/* the kernel binds VFs of the PF */
	long vfs;		/* number of VFs, -1: cannot have any */
	bool vfio;		/* its driver is a VFIO driver */
	char dev[32];		/* vfioN, "": no character device */
	int user;		/* process that has it open, 0: none */
	char user_name[32];
	bool probed;
	int probe;		/* 0, or errno of the probe */
	uint64_t flags;		/* VFIO_MIGRATION_* */
	bool dirty_tracking;	/* the device reports dirty pages and the kernel can deliver them */
	bool migratable;	/* the driver says so */
};

/* Does not open the device; -ENODEV if there is no such function */
int function_read(struct function *f, const char *bdf);
/* Opens the device, if its driver is a VFIO driver and nobody uses it */
void function_probe(struct function *f);
/* The driver is a VFIO driver */
bool driver_loaded(const char *driver);

#endif /* FUNCTION_H */
