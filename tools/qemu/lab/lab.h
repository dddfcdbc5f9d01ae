/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab block, tools/qemu/LAB.md, and the devices that have one: an SR-IOV PF
 * whose firmware takes commands.
 */
#ifndef HW_NET_LAB_H
#define HW_NET_LAB_H

#include "hw/pci/pci_device.h"

typedef struct Lab Lab;

/* What the lab block does to a command. */
typedef struct LabFault {
    bool fail;
    bool after;                 /* after it was carried out */
    uint32_t status;
    size_t corrupt_offset;      /* in the result */
    uint8_t corrupt_mask;
} LabFault;

/* What a device has to say of itself. VFs are counted from 0. */
typedef struct LabDevice {
    unsigned max_vfs;
    uint64_t max_pad;
    /* Opcodes go beyond LAB_OPCODES; these exist. NULL: they do not. */
    bool (*has_opcode)(unsigned opcode);
    uint64_t (*objects)(void *pf);
    PCIDevice *(*vf)(void *pf, unsigned n);
    uint64_t (*vf_status)(void *pf, unsigned n);
    uint64_t (*vf_pad)(void *pf, unsigned n);
    void (*vf_set_pad)(void *pf, unsigned n, uint64_t pad);
    bool (*vf_may_write)(void *pf, unsigned n);
    /* Registers that not every device has, NULL where it has not: */
    uint64_t (*features)(void *pf);
    void (*set_features)(void *pf, uint64_t val);
    uint64_t (*health)(void *pf);
    void (*set_health)(void *pf, uint64_t val);
    uint64_t (*track_pages)(void *pf);
    void (*set_track_pages)(void *pf, uint64_t val);
    void (*vf_renew)(void *pf, unsigned n);
    void (*vf_touch)(void *pf, unsigned n, uint64_t blocks);
    /* All of them as they were. */
    void (*reset)(void *pf);
    /* NULL: it need not know. */
    void (*vf_wrote)(void *pf, unsigned n, uint64_t addr, unsigned len);
    /* A command that lab_take() was given: first the one, then one of the others. */
    void (*run)(void *pf, void *cmd, const LabFault *fault);
    void (*complete)(void *pf, void *cmd);
    void (*drop)(void *pf, void *cmd);
} LabDevice;

/* The block as a BAR of @pf, and as properties of its object. */
Lab *lab_new(const LabDevice *device, PCIDevice *pf, unsigned vfs);
/* Once the object of the PF goes, and with it the BAR. */
void lab_free(Lab *lab);
/*
 * Takes @cmd over, to run and complete it now or later. It is for VF number
 * @member - 1, or for none; @result: it brings a state, which can be damaged.
 */
void lab_take(Lab *lab, void *cmd, uint16_t opcode, unsigned member,
              bool result);
/* Forgets the commands that are not completed yet. */
void lab_drop(Lab *lab);

#endif
