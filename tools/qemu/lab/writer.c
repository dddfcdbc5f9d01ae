/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes of a counter to memory by a VF, while the VF may do DMA. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "lab-int.h"

static void arm(LabWriter *w)
{
    timer_mod(w->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                        (int64_t)w->period_us * SCALE_US);
}

static void write_once(void *opaque)
{
    LabWriter *w = opaque;
    const LabDevice *device = w->lab->device;
    PCIDevice *dev = device->vf(w->lab->pf, w->vf);
    uint8_t val[8];

    if (dev->enabled && device->vf_may_write(w->lab->pf, w->vf)) {
        stq_le_p(val, ++w->writes);
        if (pci_dma_write(dev, w->addr, val, sizeof(val)) != MEMTX_OK) {
            w->refused++;
        }
        if (device->vf_wrote) {
            device->vf_wrote(w->lab->pf, w->vf, w->addr, sizeof(val));
        }
    }
    arm(w);
}

void lab_writer_init(LabWriter *w, Lab *lab, unsigned vf)
{
    w->lab = lab;
    w->vf = vf;
    w->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, write_once, w);
}

void lab_writer_free(LabWriter *w)
{
    timer_free(w->timer);
}

void lab_writer_start(LabWriter *w, uint64_t period_us)
{
    w->period_us = period_us;
    w->writes = 0;
    w->refused = 0;
    if (period_us) {
        arm(w);
    } else {
        timer_del(w->timer);
    }
}
