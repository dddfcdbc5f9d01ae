/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of the lab block. One table makes them BAR 2 of the PF and
 * properties of its object, which the monitor reaches.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "lab.h"

#define HOUR_US     (3600ull * 1000 * 1000)
#define ANY         UINT64_MAX

enum { READ = 1, WRITE = 2 };

/* One register, or a row of them at equal distances. */
typedef struct LabReg {
    const char *name;
    const char *suffix;         /* of the name, after the number in the row */
    uint32_t addr;
    unsigned count;             /* 0: one register. ROW_VFS: one for each VF */
    uint32_t step;
    unsigned access;
    uint64_t max;               /* greater values are refused */
    size_t field;               /* in LabState, when there are no functions */
    uint64_t (*get)(PartsPF *pf, unsigned index);
    void (*set)(PartsPF *pf, unsigned index, uint64_t val);
} LabReg;

#define ROW_VFS     UINT_MAX

static PartsVF *nth_vf(PartsPF *pf, unsigned index)
{
    return pf->lab->writers[index].vf;
}

static uint64_t get_id(PartsPF *pf, unsigned index)
{
    return LAB_ID_VALUE;
}

static void set_reset(PartsPF *pf, unsigned index, uint64_t val)
{
    PartsLab *lab = pf->lab;
    unsigned i;

    memset(&lab->s, 0, sizeof(lab->s));
    for (i = 0; i < pf->sriov_vfs; i++) {
        lab->writers[i].addr = 0;
        lab_writer_start(&lab->writers[i], 0);
        parts_vf_set_pad(nth_vf(pf, i), 0);
    }
    lab_release(pf, true);
}

static void set_mark(PartsPF *pf, unsigned index, uint64_t val)
{
    LabState *s = &pf->lab->s;

    if (!val) {
        memset(s->between, 0, sizeof(s->between));
    }
    s->between_marks = !val;
}

static uint64_t get_objects(PartsPF *pf, unsigned index)
{
    return parts_admin_count_objs(pf);
}

static uint64_t get_held(PartsPF *pf, unsigned index)
{
    return lab_held(pf);
}

static void set_release(PartsPF *pf, unsigned index, uint64_t val)
{
    lab_release(pf, false);
}

static uint64_t get_vf_status(PartsPF *pf, unsigned index)
{
    PartsVF *vf = nth_vf(pf, index);
    bool driver_ok = VIRTIO_DEVICE(&vf->fn.vdev)->status &
                     VIRTIO_CONFIG_S_DRIVER_OK;

    return (vf->stopped ? LAB_VF_STOPPED : 0) |
           (vf->staged ? LAB_VF_STAGED : 0) |
           (parts_vf_bus_master(vf) ? LAB_VF_MASTER : 0) |
           (driver_ok ? LAB_VF_DRIVER_OK : 0);
}

static uint64_t get_vf_pad(PartsPF *pf, unsigned index)
{
    return nth_vf(pf, index)->pad.size;
}

static void set_vf_pad(PartsPF *pf, unsigned index, uint64_t val)
{
    parts_vf_set_pad(nth_vf(pf, index), val);
}

static uint64_t get_vf_addr(PartsPF *pf, unsigned index)
{
    return pf->lab->writers[index].addr;
}

static void set_vf_addr(PartsPF *pf, unsigned index, uint64_t val)
{
    pf->lab->writers[index].addr = val;
}

static uint64_t get_vf_us(PartsPF *pf, unsigned index)
{
    return pf->lab->writers[index].period_us;
}

static void set_vf_us(PartsPF *pf, unsigned index, uint64_t val)
{
    lab_writer_start(&pf->lab->writers[index], val);
}

static uint64_t get_vf_writes(PartsPF *pf, unsigned index)
{
    return pf->lab->writers[index].writes;
}

static uint64_t get_vf_refused(PartsPF *pf, unsigned index)
{
    return pf->lab->writers[index].refused;
}

#define PLAIN(name_, addr_, field_, access_, max_) \
    { .name = name_, .addr = addr_, .access = access_, .max = max_, \
      .field = offsetof(LabState, field_) }
#define RO(name_, addr_, get_) \
    { .name = name_, .addr = addr_, .access = READ, .get = get_ }
#define WO(name_, addr_, set_) \
    { .name = name_, .addr = addr_, .access = WRITE, .max = ANY, .set = set_ }
#define OPCODES(name_, addr_, field_) \
    { .name = name_, .addr = addr_, .count = LAB_OPCODES, .step = 8, \
      .access = READ, .field = offsetof(LabState, field_) }
#define OF_VF(suffix_, addr_, access_, max_, get_, set_) \
    { .name = "lab-vf", .suffix = suffix_, .addr = LAB_VF(0) + addr_, \
      .count = ROW_VFS, .step = LAB_VF(1) - LAB_VF(0), .access = access_, \
      .max = max_, .get = get_, .set = set_ }

static const LabReg regs[] = {
    RO("lab-id", LAB_ID, get_id),
    WO("lab-reset", LAB_RESET, set_reset),
    PLAIN("lab-total", LAB_TOTAL, total, READ, 0),
    WO("lab-mark", LAB_MARK, set_mark),
    RO("lab-objects", LAB_OBJECTS, get_objects),
    PLAIN("lab-member", LAB_MEMBER, member, READ | WRITE, PARTS_MAX_VFS),
    PLAIN("lab-delay-us", LAB_DELAY_US, delay_us, READ | WRITE, HOUR_US),
    PLAIN("lab-fail-opcode", LAB_FAIL_OPCODE, fail_opcode, READ | WRITE,
          UINT16_MAX),
    PLAIN("lab-fail-nth", LAB_FAIL_NTH, fail_nth, READ | WRITE, ANY),
    PLAIN("lab-fail-status", LAB_FAIL_STATUS, fail_status, READ | WRITE,
          UINT32_MAX),
    PLAIN("lab-fail-flags", LAB_FAIL_FLAGS, fail_flags, READ | WRITE,
          LAB_FAIL_AFTER | LAB_FAIL_ON),
    PLAIN("lab-drop-opcode", LAB_DROP_OPCODE, drop_opcode, READ | WRITE,
          UINT16_MAX),
    PLAIN("lab-drop-nth", LAB_DROP_NTH, drop_nth, READ | WRITE, ANY),
    RO("lab-held", LAB_HELD, get_held),
    WO("lab-release", LAB_RELEASE, set_release),
    PLAIN("lab-corrupt-nth", LAB_CORRUPT_NTH, corrupt_nth, READ | WRITE, ANY),
    PLAIN("lab-corrupt-offset", LAB_CORRUPT_OFFSET, corrupt_offset,
          READ | WRITE, UINT32_MAX),
    PLAIN("lab-corrupt-mask", LAB_CORRUPT_MASK, corrupt_mask, READ | WRITE,
          UINT8_MAX),
    OPCODES("lab-count-", LAB_COUNT(0), count),
    OPCODES("lab-between-", LAB_BETWEEN(0), between),
    OF_VF("-status", LAB_VF_STATUS, READ, 0, get_vf_status, NULL),
    OF_VF("-pad", LAB_VF_PAD, READ | WRITE, PARTS_MAX_PAD, get_vf_pad,
          set_vf_pad),
    OF_VF("-write-addr", LAB_VF_WRITE_ADDR, READ | WRITE, ANY, get_vf_addr,
          set_vf_addr),
    OF_VF("-write-us", LAB_VF_WRITE_US, READ | WRITE, HOUR_US, get_vf_us,
          set_vf_us),
    OF_VF("-writes", LAB_VF_WRITES, READ, 0, get_vf_writes, NULL),
    OF_VF("-refused", LAB_VF_REFUSED, READ, 0, get_vf_refused, NULL),
};

static unsigned row_length(const PartsPF *pf, const LabReg *reg)
{
    return reg->count == ROW_VFS ? pf->sriov_vfs : MAX(reg->count, 1);
}

static uint64_t *reg_field(PartsPF *pf, const LabReg *reg, unsigned index)
{
    return (uint64_t *)((uint8_t *)&pf->lab->s + reg->field) + index;
}

static uint64_t reg_get(PartsPF *pf, const LabReg *reg, unsigned index)
{
    if (!(reg->access & READ)) {
        return 0;
    }
    return reg->get ? reg->get(pf, index) : *reg_field(pf, reg, index);
}

static bool reg_set(PartsPF *pf, const LabReg *reg, unsigned index,
                    uint64_t val)
{
    if (!(reg->access & WRITE) || val > reg->max) {
        return false;
    }
    if (reg->set) {
        reg->set(pf, index, val);
    } else {
        *reg_field(pf, reg, index) = val;
    }
    return true;
}

/* ---- as a BAR ---- */

static const LabReg *find_reg(PartsPF *pf, hwaddr addr, unsigned *index)
{
    const LabReg *reg;

    for (reg = regs; reg < regs + ARRAY_SIZE(regs); reg++) {
        hwaddr off = addr - reg->addr;
        uint32_t step = MAX(reg->step, 8);

        if (addr >= reg->addr && off % step == 0 &&
            off / step < row_length(pf, reg)) {
            *index = off / step;
            return reg;
        }
    }
    return NULL;
}

static uint64_t lab_read(void *opaque, hwaddr addr, unsigned size)
{
    unsigned index;
    const LabReg *reg = find_reg(opaque, addr & ~7ull, &index);
    uint64_t val = reg ? reg_get(opaque, reg, index) : 0;

    return addr & 4 ? val >> 32 : size == 4 ? (uint32_t)val : val;
}

static void lab_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PartsPF *pf = opaque;
    PartsLab *lab = pf->lab;
    unsigned index;
    const LabReg *reg = find_reg(pf, addr & ~7ull, &index);

    if (!reg) {
        return;
    }
    if (size == 4 && !(addr & 4)) {
        lab->low = val;
        lab->low_addr = addr;
        return;
    }
    if (size == 4) {
        uint64_t old = reg_get(pf, reg, index);
        uint32_t low = lab->low_addr == addr - 4 ? lab->low : old;

        val = val << 32 | low;
    }
    lab->low_addr = LAB_SIZE;
    reg_set(pf, reg, index, val);
}

static const MemoryRegionOps lab_ops = {
    .read = lab_read,
    .write = lab_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* ---- as properties ---- */

typedef struct LabProp {
    const LabReg *reg;
    unsigned index;
} LabProp;

static void prop_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const LabProp *prop = opaque;
    uint64_t val = reg_get(VIRTIO_NET_PARTS_PF(obj), prop->reg, prop->index);

    visit_type_uint64(v, name, &val, errp);
}

static void prop_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const LabProp *prop = opaque;
    uint64_t val;

    if (visit_type_uint64(v, name, &val, errp) &&
        !reg_set(VIRTIO_NET_PARTS_PF(obj), prop->reg, prop->index, val)) {
        error_setg(errp, "%s is at most %" PRIu64, name, prop->reg->max);
    }
}

static void prop_release(Object *obj, const char *name, void *opaque)
{
    g_free(opaque);
}

static void add_prop(PartsPF *pf, const LabReg *reg, unsigned index)
{
    LabProp *prop = g_new(LabProp, 1);
    g_autofree char *row = g_strdup_printf("%s%u%s", reg->name, index,
                                           reg->suffix ?: "");

    *prop = (LabProp) { .reg = reg, .index = index };
    object_property_add(OBJECT(pf), reg->count ? row : reg->name, "uint64",
                        reg->access & READ ? prop_get : NULL,
                        reg->access & WRITE ? prop_set : NULL,
                        prop_release, prop);
}

/* ---- the block ---- */

void parts_lab_init(PartsPF *pf)
{
    PCIDevice *dev = PCI_DEVICE(pf);
    PartsLab *lab = g_new0(PartsLab, 1);
    const LabReg *reg;
    unsigned i;

    QTAILQ_INIT(&lab->cmds);
    lab->low_addr = LAB_SIZE;
    lab->writers = g_new0(LabWriter, pf->sriov_vfs);
    for (i = 0; i < pf->sriov_vfs; i++) {
        PartsVF *vf = VIRTIO_NET_PARTS_VF(dev->exp.sriov_pf.vf[i]);

        vf->lim.max_pad = PARTS_MAX_PAD;
        lab_writer_init(&lab->writers[i], vf);
    }
    pf->lab = lab;
    memory_region_init_io(&lab->mr, OBJECT(pf), &lab_ops, pf, "lab", LAB_SIZE);
    pci_register_bar(dev, LAB_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &lab->mr);
    for (reg = regs; reg < regs + ARRAY_SIZE(regs); reg++) {
        for (i = 0; i < row_length(pf, reg); i++) {
            add_prop(pf, reg, i);
        }
    }
}

/* Its region is the object's, and in use until that goes. */
void parts_lab_free(PartsPF *pf)
{
    unsigned i;

    if (!pf->lab) {
        return;
    }
    for (i = 0; i < pf->sriov_vfs; i++) {
        lab_writer_free(&pf->lab->writers[i]);
    }
    g_free(pf->lab->writers);
    g_free(pf->lab);
}
