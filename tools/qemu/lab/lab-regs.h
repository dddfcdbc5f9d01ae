/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the lab block: BAR 2 of an emulated NIC's PF with x-lab=on. Read
 * by the device, by the kselftests and by nobody else; tools/qemu/LAB.md says
 * what each is for. All are 64 bits wide, little-endian, and at multiples of
 * 8; they may be read and written in halves, the upper half takes effect last.
 */
#ifndef SNAPSHOT_LAB_REGS_H
#define SNAPSHOT_LAB_REGS_H

#define LAB_BAR             2
#define LAB_SIZE            0x4000

#define LAB_ID_VALUE        0x000000010042414cull   /* "LAB", version 1 */

#define LAB_ID              0x000   /* ro */
#define LAB_RESET           0x008   /* wo: all below off and zero, held released */
#define LAB_TOTAL           0x010   /* ro: commands since LAB_RESET */
#define LAB_MARK            0x018   /* wo: 0 begins, 1 ends what LAB_BETWEEN counts */
#define LAB_OBJECTS         0x020   /* ro: resource objects that exist, of all VFs */
/* Delays, faults and drops concern this group member only: VF number + 1, or 0 for all. */
#define LAB_MEMBER          0x028
#define LAB_DELAY_US        0x030   /* from a command to its completion, virtual time */

#define LAB_ANY_OPCODE      0xffff
/* A countdown: the matching command that takes NTH from 1 to 0 is the one. */
#define LAB_FAIL_OPCODE     0x038
#define LAB_FAIL_NTH        0x040
#define LAB_FAIL_STATUS     0x048   /* status | qualifier << 16 */
#define LAB_FAIL_FLAGS      0x050
#define LAB_FAIL_AFTER      1       /* it is carried out first, then it "fails" */
#define LAB_FAIL_ON         2       /* every matching command from the nth on */

#define LAB_DROP_OPCODE     0x058
#define LAB_DROP_NTH        0x060   /* carried out, its completion held */
#define LAB_HELD            0x068   /* ro: completions held now */
#define LAB_RELEASE         0x070   /* wo: all; delayed ones will not be held */

/* The nth command that brings a state: the byte at OFFSET of its result is XORed with MASK. */
#define LAB_CORRUPT_NTH     0x078
#define LAB_CORRUPT_OFFSET  0x080
#define LAB_CORRUPT_MASK    0x088

/* ConnectX: what its firmware can do, beside what every one can. The PF's driver reads it at probe. */
#define LAB_FEATURES        0x090
#define LAB_CAN_MIGRATE     1       /* migration; without it such commands are refused */
#define LAB_CAN_VF          2       /* migratable, of each VF; read when a VF is bound */
#define LAB_CAN_PRECOPY     4       /* migration_multi_load, migration_tracking_state */
#define LAB_CAN_STATE       8       /* migration_state */
#define LAB_CAN_CHUNKS      16      /* migration_in_chunks */
#define LAB_CAN_TRACK       32      /* adv_virtualization: the page tracker */
/* ConnectX: what is wrong with its firmware. A reset of it, which the first makes a driver do, ends it. */
#define LAB_HEALTH          0x098
#define LAB_FATAL           1       /* it says that it has to be reset */
#define LAB_STILL           2       /* its counter does not go on */
#define LAB_MUTE            4       /* it takes no command, and completes none; those it has are lost */
#define LAB_GONE            8       /* the PF's BAR 0 reads as ones */
#define LAB_TRACK_PAGES     0x0a0   /* ConnectX: dirty pages that a tracker holds; 0: any number */

/*
 * ro, by opcode: commands since LAB_RESET, and between the marks. Those of 64
 * and more are there for a device that has such opcodes; its BAR is longer.
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
#define LAB_VF_STOPPED      1       /* the firmware was told to stop it */
#define LAB_VF_STAGED       2       /* a state was set and waits for a resume */
#define LAB_VF_MASTER       4       /* bus mastering is on */
#define LAB_VF_DRIVER_OK    8       /* VIRTIO */
#define LAB_VF_QUIET        16      /* ConnectX: its initiator is suspended */
#define LAB_VF_PAD          0x08    /* bytes that the VF's state is longer by */
/*
 * A running VF with bus mastering writes a counter, 1, 2, 3, ..., of 8 bytes
 * to this I/O virtual address each PERIOD microseconds; 0 turns that off.
 * Neither a stop nor a reset of the VF changes these registers.
 */
#define LAB_VF_WRITE_ADDR   0x10
#define LAB_VF_WRITE_US     0x18    /* writing it restarts the counter */
#define LAB_VF_WRITES       0x20    /* ro: the counter */
#define LAB_VF_REFUSED      0x28    /* ro: writes of those that the IOMMU refused */
/* ConnectX */
#define LAB_VF_RENEW        0x30    /* wo: any write: its driver sets it up anew */
#define LAB_VF_TOUCH        0x38    /* wo: so many blocks of 4 KiB of the pad change, one after the other */

#endif /* SNAPSHOT_LAB_REGS_H */
