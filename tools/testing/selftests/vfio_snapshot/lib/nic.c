// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "lab.h"
#include "nic.h"

/* VIRTIO 1.4, "Group administration commands" */
enum virtio_opcode {
	VIRTIO_CREATE = 0x0a,
	VIRTIO_DESTROY = 0x0d,
	VIRTIO_METADATA_GET = 0x0e,
	VIRTIO_PARTS_GET = 0x0f,
	VIRTIO_PARTS_SET = 0x10,
	VIRTIO_MODE_SET = 0x11,
};

/* linux/mlx5/mlx5_ifc.h */
enum mlx5_opcode {
	MLX5_SUSPEND = 0x115,
	MLX5_RESUME = 0x116,
	MLX5_QUERY = 0x117,
	MLX5_SAVE = 0x118,
	MLX5_LOAD = 0x119,
	MLX5_CREATE_MKEY = 0x200,
	MLX5_DESTROY_MKEY = 0x202,
};

/* Statuses of that interface */
enum mlx5_status {
	MLX5_BAD_PARAM = 0x3,
	MLX5_BUSY = 0x6,
	MLX5_LIMIT = 0x8,
	MLX5_NO_RESOURCE = 0xf,
};

#define Q_FIELD (3 << 16)	/* VIRTIO qualifier "invalid field" */
#define SYNDROME (0x5eed << 16)

static const struct nic nics[] = {
	{
		.bound = "virtio, stop-copy, P2P, pre-copy, images of at most 1024 MiB",
		.vendor = 0x1af4,
		.vf_device = 0x1041,
		.op = {
			[NIC_BEGIN] = VIRTIO_CREATE,
			[NIC_ESTIMATE] = VIRTIO_METADATA_GET,
			[NIC_SAVE] = VIRTIO_PARTS_GET,
			[NIC_LOAD] = VIRTIO_PARTS_SET,
			[NIC_HALT] = VIRTIO_MODE_SET,
			[NIC_RUN] = VIRTIO_MODE_SET,
			[NIC_END] = VIRTIO_DESTROY,
		},
		.faults = { LAB_ANY_OPCODE },
		/*
		 * Not CREATE: after a failed one, the kernel's virtio layer gives
		 * the same id to the next object, which the device refuses.
		 */
		.after = { VIRTIO_MODE_SET, VIRTIO_METADATA_GET, VIRTIO_PARTS_GET,
			   VIRTIO_PARTS_SET, VIRTIO_DESTROY },
		/* A status is an errno. Those that the contract knows are passed on. */
		.status = {
			{ NIC_UNKNOWN_ERROR, 5000 }, { NIC_LARGEST_ERROR, 0xffff },
			{ EAGAIN, EAGAIN },
			{ EINVAL, EINVAL | Q_FIELD }, { ENOMEM, ENOMEM },
			{ EBUSY, EBUSY },
		},
		.waits_in = "vp_modern_admin_cmd_exec",
		.own_objects = true,
		.halts = 1,
		.still = 3,
		.max_state = 1ull << 30,
	}, {
		.bound = "mlx5, stop-copy, P2P, pre-copy, images of at most 65536 MiB",
		.vendor = 0x15b3,
		.vf_device = 0x101e,
		.op = {
			[NIC_ESTIMATE] = MLX5_QUERY,
			[NIC_MAP] = MLX5_CREATE_MKEY,
			[NIC_SAVE] = MLX5_SAVE,
			[NIC_LOAD] = MLX5_LOAD,
			[NIC_HALT] = MLX5_SUSPEND,
			[NIC_RUN] = MLX5_RESUME,
			[NIC_END] = MLX5_DESTROY_MKEY,
		},
		/*
		 * No destroy commands: nobody retries one that the firmware
		 * refused, and the object stays.
		 */
		.faults = { MLX5_SUSPEND, MLX5_RESUME, MLX5_QUERY, MLX5_SAVE,
			    MLX5_LOAD, MLX5_CREATE_MKEY },
		.after = { MLX5_SUSPEND, MLX5_RESUME, MLX5_QUERY, MLX5_SAVE,
			   MLX5_LOAD, MLX5_DESTROY_MKEY },
		.status = {
			{ NIC_UNKNOWN_ERROR, 0x77 }, { NIC_LARGEST_ERROR, 0xff },
			{ EAGAIN, MLX5_NO_RESOURCE },
			{ EINVAL, MLX5_BAD_PARAM | SYNDROME }, { ENOMEM, MLX5_LIMIT },
			{ EBUSY, MLX5_BUSY },
		},
		.waits_in = "mlx5_cmd_do",
		.own_ndma = true,
		.increments = true,
		.late = true,
		.no_room = true,
		.says_upper = true,
		.halts = 2,
		.still = 5,
		.max_state = 64ull << 30,
		.window = 8ul << 20,
	},
};

static unsigned int pci_id(const char *bdf, const char *attribute)
{
	char path[PATH_MAX];
	unsigned int id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attribute);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &id) != 1)
		id = 0;
	fclose(f);
	return id;
}

/* The same NIC with firmware that does not save in chunks */
static const struct nic *in_one_piece(const struct nic *nic)
{
	static struct nic whole;
	const char *chunks = getenv("VFIO_SNAPSHOT_CHUNKS");

	if (!nic->window || !chunks || strcmp(chunks, "0"))
		return nic;
	whole = *nic;
	whole.bound = "mlx5, stop-copy, P2P, pre-copy, images of at most 4095 MiB";
	whole.max_state = UINT32_MAX;
	whole.window = 0;
	return &whole;
}

const struct nic *nic_of(const char *bdf)
{
	unsigned int vendor = pci_id(bdf, "vendor");
	unsigned int device = pci_id(bdf, "device");
	size_t i;

	for (i = 0; i < sizeof(nics) / sizeof(nics[0]); i++)
		if (nics[i].vendor == vendor && nics[i].vf_device == device)
			return in_one_piece(&nics[i]);
	return NULL;
}

uint32_t nic_status(const struct nic *nic, int err)
{
	size_t i;

	for (i = 0; i < sizeof(nic->status) / sizeof(nic->status[0]); i++)
		if (nic->status[i].status && nic->status[i].err == err)
			return nic->status[i].status;
	abort();
}

uint32_t nic_said(const struct nic *nic, int err)
{
	uint32_t status = nic_status(nic, err);

	/* For mlx5 the log shows the syndrome, for VIRTIO the status. */
	return nic->says_upper && status >> 16 ? status >> 16 : status & 0xffff;
}

uint64_t nic_ends(const struct nic *nic, struct lab *lab)
{
	return lab_between(lab, nic->op[NIC_END]);
}

uint64_t nic_halted(const struct nic *nic, int state)
{
	uint64_t all = LAB_VF_STOPPED | (nic->own_ndma ? LAB_VF_QUIET : 0);

	switch (state) {
	case VFIO_DEVICE_STATE_RUNNING:
	case VFIO_DEVICE_STATE_PRE_COPY:
		return 0;
	case VFIO_DEVICE_STATE_RUNNING_P2P:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return nic->own_ndma ? LAB_VF_QUIET : LAB_VF_STOPPED;
	}
	return all;
}

bool nic_refuses_at(const struct nic *nic, enum load_stage stage)
{
	return stage == LOAD_WRITE || (nic->window && stage == LOAD_EXIT);
}
