/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware faults, which the lab block injects. The driver reads a counter, which
 * must advance, and a buffer with the reason of a failure. It can reset the
 * firmware, which clears the fault.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

/* The health buffer */
#define FW_VER              0x30
#define SEVERITY            0x38
#define SEVERITY_RESET      0x80    /* the firmware needs a reset */
#define SEVERITY_VALID      0x08
#define SEVERITY_CRITICAL   2
#define SYNDROME            0x3d
#define SYNDROME_INTERNAL   1

#define TICK_NS             (10 * SCALE_MS)

bool mlx5_is_mute(const Mlx5PF *pf)
{
    return pf->interface != NIC_FULL || pf->health & (LAB_MUTE | LAB_GONE);
}

/* The counter starts at 1, as the driver ignores 0. */
uint32_t mlx5_health_counter(Mlx5PF *pf)
{
    if (!(pf->health & LAB_STILL)) {
        pf->counter = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / TICK_NS + 1;
    }
    return pf->counter;
}

/* A byte of the health buffer */
uint8_t mlx5_health_read(const Mlx5PF *pf, hwaddr at)
{
    switch (at) {
    case FW_VER:
        return pf->fw[0];
    case FW_VER + 1:
        return pf->fw[1];
    case FW_VER + 2:
        return pf->fw[2] >> 8;
    case FW_VER + 3:
        return pf->fw[2];
    }
    if (!(pf->health & LAB_FATAL)) {
        return 0;
    }
    switch (at) {
    case SEVERITY:
        return SEVERITY_RESET | SEVERITY_VALID | SEVERITY_CRITICAL;
    case SYNDROME:
        return SYNDROME_INTERNAL;
    }
    return 0;
}

void mlx5_set_health(Mlx5PF *pf, uint32_t health)
{
    bool was_mute = mlx5_is_mute(pf);

    mlx5_health_counter(pf);
    if (pf->health & ~health & LAB_GONE) {
        /* The device returns as after power-up. */
        mlx5_firmware_reset(pf);
        pf->queue = 0;
        pf->interface = NIC_FULL;
    }
    pf->health = health;
    if (mlx5_is_mute(pf) && !was_mute) {
        mlx5_cmd_drop(pf);
    } else if (!mlx5_is_mute(pf)) {
        mlx5_cmd_doorbell(pf, pf->rung);
        pf->rung = 0;
    }
}
