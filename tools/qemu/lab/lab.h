/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab block (tools/qemu/LAB.md) and what it needs of a device that has one,
 * an SR-IOV PF whose firmware takes commands.
 */
#ifndef HW_NET_LAB_H
#define HW_NET_LAB_H

#include "hw/pci/pci_device.h"

typedef struct Lab Lab;

/* What the lab block does to a command. */
typedef struct LabFault {
    bool fail;
    bool after;                 /* run it, then fail it */
    uint32_t status;
    size_t corrupt_offset;      /* in the result */
    uint8_t corrupt_mask;
} LabFault;

/* A device with a lab block. VFs are counted from 0. */
typedef struct LabDevice {
    unsigned max_vfs;
    uint64_t max_pad;
    /* Tells which opcodes exist; NULL if none is beyond LAB_OPCODES. */
    bool (*has_opcode)(unsigned opcode);
    uint64_t (*objects)(void *pf);
    PCIDevice *(*vf)(void *pf, unsigned n);
    uint64_t (*vf_status)(void *pf, unsigned n);
    uint64_t (*vf_pad)(void *pf, unsigned n);
    void (*vf_set_pad)(void *pf, unsigned n, uint64_t pad);
    bool (*vf_may_write)(void *pf, unsigned n);
    /* Optional registers, NULL if the device lacks them */
    uint64_t (*features)(void *pf);
    void (*set_features)(void *pf, uint64_t val);
    uint64_t (*health)(void *pf);
    void (*set_health)(void *pf, uint64_t val);
    uint64_t (*track_pages)(void *pf);
    void (*set_track_pages)(void *pf, uint64_t val);
    void (*vf_renew)(void *pf, unsigned n);
    void (*vf_touch)(void *pf, unsigned n, uint64_t blocks);
    /* Sets the optional registers to their initial values. */
    void (*reset)(void *pf);
    /* Optional: reports a write by the lab block. */
    void (*vf_wrote)(void *pf, unsigned n, uint64_t addr, unsigned len);
    /* For each command of lab_take(): run, then complete; or drop at any time. */
    void (*run)(void *pf, void *cmd, const LabFault *fault);
    void (*complete)(void *pf, void *cmd);
    void (*drop)(void *pf, void *cmd);
} LabDevice;

/* Adds the block to @pf as a BAR and as properties. */
Lab *lab_new(const LabDevice *device, PCIDevice *pf, unsigned vfs);
/* To be called when the PF's object, which owns the BAR, is finalized. */
void lab_free(Lab *lab);
/*
 * Takes ownership of @cmd and runs and completes it, now or later. @member: VF
 * number + 1, or 0. @result: the command returns state, which can be damaged.
 */
void lab_take(Lab *lab, void *cmd, uint16_t opcode, unsigned member,
              bool result);
/* Forgets the commands that are not completed yet. */
void lab_drop(Lab *lab);

#endif
