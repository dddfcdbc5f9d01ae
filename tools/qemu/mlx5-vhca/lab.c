/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab block's interface to this NIC. */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

static Mlx5VF *nth_vf(void *pf, unsigned n)
{
    return mlx5_vf(pf, n + 1);
}

static bool has_opcode(unsigned opcode)
{
    return mlx5_cmd_op(opcode);
}

static uint64_t objects(void *pf)
{
    return mlx5_mkey_count(pf);
}

static PCIDevice *vf_device(void *pf, unsigned n)
{
    return PCI_DEVICE(nth_vf(pf, n));
}

static uint64_t vf_status(void *pf, unsigned n)
{
    Mlx5VF *vf = nth_vf(pf, n);

    return (vf->suspended & MLX5_RESPONDER ? LAB_VF_STOPPED : 0) |
           (vf->suspended & MLX5_INITIATOR ? LAB_VF_QUIET : 0) |
           (vf->load.phase != LOAD_NONE ? LAB_VF_STAGED : 0) |
           (mlx5_vf_master(vf) ? LAB_VF_MASTER : 0);
}

static uint64_t vf_pad(void *pf, unsigned n)
{
    return nth_vf(pf, n)->s.pad;
}

static void vf_set_pad(void *pf, unsigned n, uint64_t pad)
{
    mlx5_vf_set_pad(nth_vf(pf, n), pad);
}

static bool vf_may_write(void *pf, unsigned n)
{
    Mlx5VF *vf = nth_vf(pf, n);

    return !vf->suspended && mlx5_vf_master(vf);
}

static void vf_wrote(void *pf, unsigned n, uint64_t addr, unsigned len)
{
    mlx5_track_write(nth_vf(pf, n), addr, len);
}

static uint64_t features(void *pf)
{
    return ((Mlx5PF *)pf)->features;
}

static void set_features(void *pf, uint64_t val)
{
    ((Mlx5PF *)pf)->features = val;
}

static uint64_t health(void *pf)
{
    return ((Mlx5PF *)pf)->health;
}

static void set_health(void *pf, uint64_t val)
{
    mlx5_set_health(pf, val);
}

static uint64_t track_pages(void *pf)
{
    return ((Mlx5PF *)pf)->track_pages;
}

static void set_track_pages(void *pf, uint64_t val)
{
    ((Mlx5PF *)pf)->track_pages = val;
}

static void vf_renew(void *pf, unsigned n)
{
    nth_vf(pf, n)->save.renewed = true;
}

static void vf_touch(void *pf, unsigned n, uint64_t blocks)
{
    Mlx5VF *vf = nth_vf(pf, n);

    mlx5_vf_touch(vf, vf->touched, blocks);
    vf->touched += blocks;
}

static void reset(void *opaque)
{
    Mlx5PF *pf = opaque;

    pf->features = pf->first_features;
    pf->track_pages = pf->first_track_pages;
    mlx5_set_health(pf, 0);
}

static void run(void *pf, void *cmd, const LabFault *fault)
{
    mlx5_cmd_run(cmd, fault);
}

static void complete(void *pf, void *cmd)
{
    mlx5_cmd_complete(cmd);
}

static void drop(void *pf, void *cmd)
{
    mlx5_cmd_free(cmd);
}

static const LabDevice lab_device = {
    .max_vfs = MLX5_MAX_VFS,
    .max_pad = MLX5_MAX_PAD,
    .has_opcode = has_opcode,
    .objects = objects,
    .vf = vf_device,
    .vf_status = vf_status,
    .vf_pad = vf_pad,
    .vf_set_pad = vf_set_pad,
    .vf_may_write = vf_may_write,
    .vf_wrote = vf_wrote,
    .features = features,
    .set_features = set_features,
    .health = health,
    .set_health = set_health,
    .track_pages = track_pages,
    .set_track_pages = set_track_pages,
    .vf_renew = vf_renew,
    .vf_touch = vf_touch,
    .reset = reset,
    .run = run,
    .complete = complete,
    .drop = drop,
};

void mlx5_lab_init(Mlx5PF *pf)
{
    pf->lab = lab_new(&lab_device, PCI_DEVICE(pf), pf->sriov_vfs);
}
