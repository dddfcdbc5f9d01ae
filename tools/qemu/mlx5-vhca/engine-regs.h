/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the test engine, in BAR 0 of a mlx5-vhca-vf. The device and the
 * tests share this file. All are 64 bits wide, little-endian, at multiples of 8,
 * and take one access of 8 bytes, or two of 4 with the upper half last. They are
 * the state of the device and migrate with it.
 */
#ifndef MLX5_VHCA_ENGINE_REGS_H
#define MLX5_VHCA_ENGINE_REGS_H

/* Zeros below it keep mlx5_core from driving the VF. */
#define ENGINE_BASE         0x3000
#define ENGINE_SIZE         0x100

#define ENGINE_ID_VALUE     0x00000001454e4745ull   /* "EGNE", version 1 */

#define ENGINE_ID           0x00    /* ro */
#define ENGINE_CONTROL      0x08
#define ENGINE_RUN          1
/*
 * The engine makes BATCH writes every PERIOD microseconds. Write n, counted from
 * 0, puts the 8 bytes SEED + n at ADDRESS + n * STRIDE % LENGTH, an I/O virtual
 * address of the VF.
 */
#define ENGINE_ADDRESS      0x10
#define ENGINE_LENGTH       0x18
#define ENGINE_STRIDE       0x20
#define ENGINE_PERIOD_US    0x28
#define ENGINE_BATCH        0x30
#define ENGINE_SEED         0x38
#define ENGINE_COUNT        0x40    /* ro: writes; cleared when RUN goes from 0 to 1 */
#define ENGINE_REFUSED      0x48    /* ro: writes that the IOMMU refused */
#define ENGINE_SCRATCH(i)   (0x50 + 8 * (i))
#define ENGINE_SCRATCHES    14
#define ENGINE_REGS         24      /* number of registers */

#endif
