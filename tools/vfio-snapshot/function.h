/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of one PCI function, all of it from sysfs and procfs; and by
 * opening it, where nobody else has it open.
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
	const char *pf_wanted;	/* the driver that the PF must have for it, if @ours */
	bool installed;		/* @wanted can be loaded */
	bool loaded;
	char kernel[64];
	bool kernel_too_old;
	char kernel_wanted[16];	/* the oldest that will do */
	bool iommu;		/* the host has one */
	char group[16];		/* "": none */
	char sharer[16];	/* function in the same group that another driver has */
	char sharer_driver[64];
	bool vf;
	char pf[16];
	char pf_driver[64];
	char pf_virtio[64];	/* driver of the PF's virtio device */
	int pf_admin;		/* the PF has an administration queue, -1: unknown */
	char firmware[32];	/* version of the PF's, "": unknown */
	bool firmware_too_old;
	bool autoprobe;		/* VFs of the PF are bound by the kernel */
	long vfs;		/* VFs that it has, -1: cannot have any */
	bool vfio;		/* its driver is a VFIO driver */
	char dev[32];		/* vfioN, "": no character device */
	int user;		/* process that has it open, 0: none */
	char user_name[32];
	bool probed;
	int probe;		/* 0, or errno of the probe */
	uint64_t flags;		/* VFIO_MIGRATION_* */
	bool dirty_tracking;	/* the device tells which pages it writes to */
	bool migratable;	/* told by the driver itself */
};

/* Does not open the device: -ENODEV when there is no such function */
int function_read(struct function *f, const char *bdf);
/* Opens it, if its driver is a VFIO driver and nobody uses it */
void function_probe(struct function *f);
/* The driver is one that VFIO can use */
bool driver_loaded(const char *driver);

#endif /* FUNCTION_H */
