/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of the lab block. */
#ifndef HW_NET_LAB_INT_H
#define HW_NET_LAB_INT_H

#include "qemu/timer.h"
#include "lab-regs.h"
#include "lab.h"

typedef struct LabCmd LabCmd;

/* LAB_RESET clears all of this. regs.c accesses the registers as uint64_t. */
typedef struct LabState {
    uint64_t total;
    uint64_t between_marks;
    uint64_t member;
    uint64_t delay_us;
    uint64_t fail_opcode;
    uint64_t fail_nth;
    uint64_t fail_status;
    uint64_t fail_flags;
    uint64_t drop_opcode;
    uint64_t drop_nth;
    uint64_t corrupt_nth;
    uint64_t corrupt_offset;
    uint64_t corrupt_mask;
    uint64_t count[LAB_WIDE_OPCODES];
    uint64_t between[LAB_WIDE_OPCODES];
} LabState;

/* The writes of one VF to memory. */
typedef struct LabWriter {
    Lab *lab;
    unsigned vf;
    QEMUTimer *timer;
    uint64_t addr;
    uint64_t period_us;
    uint64_t writes;
    uint64_t refused;
} LabWriter;

struct Lab {
    const LabDevice *device;
    void *pf;
    unsigned vfs;
    MemoryRegion mr;
    LabState s;
    QTAILQ_HEAD(, LabCmd) cmds;     /* delayed or held */
    LabWriter *writers;             /* by VF */
    uint32_t low;                   /* lower half written to low_addr */
    hwaddr low_addr;
};

/* Completes held commands at once; with @delayed also runs delayed ones. */
void lab_release(Lab *lab, bool delayed);
unsigned lab_held(Lab *lab);

void lab_writer_init(LabWriter *w, Lab *lab, unsigned vf);
void lab_writer_free(LabWriter *w);
/* Restarts the counter at 1. @period_us 0 stops the writes. */
void lab_writer_start(LabWriter *w, uint64_t period_us);

#endif
