/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the lab block, BAR 2 of an emulated NIC's PF with x-lab=on. The
 * device and the tests share this file; tools/qemu/LAB.md explains each
 * register. All are 64 bits wide, little-endian, at multiples of 8. A write in
 * halves takes effect with the upper half.
 */
#ifndef SNAPSHOT_LAB_REGS_H
#define SNAPSHOT_LAB_REGS_H

#define LAB_BAR             2
#define LAB_SIZE            0x4000

#define LAB_ID_VALUE        0x000000010042414cull   /* "LAB", version 1 */

#define LAB_ID              0x000   /* ro */
#define LAB_RESET           0x008   /* wo: clears all below, releases held commands */
#define LAB_TOTAL           0x010   /* ro: commands since LAB_RESET */
#define LAB_MARK            0x018   /* wo: 0 starts, 1 ends counting in LAB_BETWEEN */
#define LAB_OBJECTS         0x020   /* ro: existing resource objects of all VFs */
/* Delays, faults and drops apply to this group member: VF number + 1, or 0 for all. */
#define LAB_MEMBER          0x028
#define LAB_DELAY_US        0x030   /* from a command to its completion, virtual time */

#define LAB_ANY_OPCODE      0xffff
/* Each matching command counts NTH down; the one that takes it from 1 to 0 fails. */
#define LAB_FAIL_OPCODE     0x038
#define LAB_FAIL_NTH        0x040
#define LAB_FAIL_STATUS     0x048   /* status | qualifier << 16 */
#define LAB_FAIL_FLAGS      0x050
#define LAB_FAIL_AFTER      1       /* the command runs, then reports the failure */
#define LAB_FAIL_ON         2       /* every matching command from the nth on fails */

#define LAB_DROP_OPCODE     0x058
#define LAB_DROP_NTH        0x060   /* the command runs, its completion is held */
#define LAB_HELD            0x068   /* ro: completions held now */
#define LAB_RELEASE         0x070   /* wo: completes held commands; delayed ones will not be held */

/* In the result of the nth command that returns state, the byte at OFFSET is XORed with MASK. */
#define LAB_CORRUPT_NTH     0x078
#define LAB_CORRUPT_OFFSET  0x080
#define LAB_CORRUPT_MASK    0x088

/* ConnectX: optional features of the firmware. The PF's driver reads them at probe. */
#define LAB_FEATURES        0x090
#define LAB_CAN_MIGRATE     1       /* migration; if clear, the migration commands are refused */
#define LAB_CAN_VF          2       /* migratable, for each VF; read when a VF is bound */
#define LAB_CAN_PRECOPY     4       /* migration_multi_load, migration_tracking_state */
#define LAB_CAN_STATE       8       /* migration_state */
#define LAB_CAN_CHUNKS      16      /* migration_in_chunks */
#define LAB_CAN_TRACK       32      /* adv_virtualization: the page tracker */
/* ConnectX: firmware faults. A reset of the firmware, which LAB_FATAL asks for, clears them. */
#define LAB_HEALTH          0x098
#define LAB_FATAL           1       /* it reports that it needs a reset */
#define LAB_STILL           2       /* its health counter stops */
#define LAB_MUTE            4       /* it takes no commands; pending ones are lost */
#define LAB_GONE            8       /* the PF's BAR 0 reads as ones */
#define LAB_TRACK_PAGES     0x0a0   /* ConnectX: dirty pages a tracker can hold; 0: no limit */

/*
 * ro, by opcode: commands since LAB_RESET and between the marks. Counters of
 * opcodes from 64 on exist only if the device has such opcodes; its BAR is then
 * longer.
 */
#define LAB_OPCODES         64
#define LAB_WIDE_OPCODES    0xc00
#define LAB_WIDE_SIZE       0x10000
#define LAB_WIDE_COUNT      0x4000
#define LAB_WIDE_BETWEEN    0xa000
#define LAB_COUNT(op)       ((op) < LAB_OPCODES ? 0x200 + 8 * (op) \
                                                : LAB_WIDE_COUNT + 8 * (op))
#define LAB_BETWEEN(op)     ((op) < LAB_OPCODES ? 0x400 + 8 * (op) \
                                                : LAB_WIDE_BETWEEN + 8 * (op))

/* Of VF n, counted from 0 as in virtfnN */
#define LAB_VF(n)           (0x1000 + 0x40 * (n))
#define LAB_VF_STATUS       0x00    /* ro */
#define LAB_VF_STOPPED      1       /* stopped by a command */
#define LAB_VF_STAGED       2       /* a loaded state waits for the resume */
#define LAB_VF_MASTER       4       /* bus mastering is on */
#define LAB_VF_DRIVER_OK    8       /* VIRTIO */
#define LAB_VF_QUIET        16      /* ConnectX: its initiator is suspended */
#define LAB_VF_PAD          0x08    /* bytes added to the VF's state */
/*
 * A running VF with bus mastering writes an 8-byte counter (1, 2, 3, ...) to
 * this I/O virtual address every WRITE_US microseconds; 0 turns that off. A
 * stop or reset of the VF does not change these registers.
 */
#define LAB_VF_WRITE_ADDR   0x10
#define LAB_VF_WRITE_US     0x18    /* writing it restarts the counter */
#define LAB_VF_WRITES       0x20    /* ro: the counter */
#define LAB_VF_REFUSED      0x28    /* ro: writes that the IOMMU refused */
/* ConnectX */
#define LAB_VF_RENEW        0x30    /* wo, any value: as if its driver initialized it again */
#define LAB_VF_TOUCH        0x38    /* wo: changes the next VALUE blocks of 4 KiB of the pad */

#endif /* SNAPSHOT_LAB_REGS_H */
