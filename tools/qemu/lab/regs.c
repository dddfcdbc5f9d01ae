/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of the lab block. One table describes them; each is in a BAR of
 * the PF and a property of the PF's object, for the monitor.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "lab-int.h"

#define HOUR_US     (3600ull * 1000 * 1000)
#define ANY         UINT64_MAX

enum { READ = 1, WRITE = 2 };

/* One register, or a row of them at equal distances. */
typedef struct LabReg {
    const char *name;
    const char *suffix;         /* follows the index in the name */
    uint32_t addr;
    unsigned count;             /* length of the row, or a ROW_*; 0: one register */
    uint32_t step;
    unsigned access;
    uint64_t max;               /* greater values are refused */
    size_t field;               /* in LabState, if get and set are NULL */
    size_t needs;               /* exists if this function of LabDevice does */
    uint64_t (*get)(Lab *lab, unsigned index);
    void (*set)(Lab *lab, unsigned index, uint64_t val);
} LabReg;

/* A register per VF; a register per opcode if some are beyond LAB_OPCODES. */
#define ROW_VFS     UINT_MAX
#define ROW_WIDE    (UINT_MAX - 1)

static uint64_t get_id(Lab *lab, unsigned index)
{
    return LAB_ID_VALUE;
}

static void set_reset(Lab *lab, unsigned index, uint64_t val)
{
    unsigned i;

    memset(&lab->s, 0, sizeof(lab->s));
    for (i = 0; i < lab->vfs; i++) {
        lab->writers[i].addr = 0;
        lab_writer_start(&lab->writers[i], 0);
        lab->device->vf_set_pad(lab->pf, i, 0);
    }
    if (lab->device->reset) {
        lab->device->reset(lab->pf);
    }
    lab_release(lab, true);
}

static void set_mark(Lab *lab, unsigned index, uint64_t val)
{
    LabState *s = &lab->s;

    if (!val) {
        memset(s->between, 0, sizeof(s->between));
    }
    s->between_marks = !val;
}

static uint64_t get_objects(Lab *lab, unsigned index)
{
    return lab->device->objects(lab->pf);
}

static uint64_t get_held(Lab *lab, unsigned index)
{
    return lab_held(lab);
}

static void set_release(Lab *lab, unsigned index, uint64_t val)
{
    lab_release(lab, false);
}

static uint64_t get_features(Lab *lab, unsigned index)
{
    return lab->device->features(lab->pf);
}

static void set_features(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->set_features(lab->pf, val);
}

static uint64_t get_health(Lab *lab, unsigned index)
{
    return lab->device->health(lab->pf);
}

static void set_health(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->set_health(lab->pf, val);
}

static uint64_t get_track_pages(Lab *lab, unsigned index)
{
    return lab->device->track_pages(lab->pf);
}

static void set_track_pages(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->set_track_pages(lab->pf, val);
}

static void set_vf_renew(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->vf_renew(lab->pf, index);
}

static void set_vf_touch(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->vf_touch(lab->pf, index, val);
}

static uint64_t get_vf_status(Lab *lab, unsigned index)
{
    return lab->device->vf_status(lab->pf, index);
}

static uint64_t get_vf_pad(Lab *lab, unsigned index)
{
    return lab->device->vf_pad(lab->pf, index);
}

static void set_vf_pad(Lab *lab, unsigned index, uint64_t val)
{
    lab->device->vf_set_pad(lab->pf, index, val);
}

static uint64_t get_vf_addr(Lab *lab, unsigned index)
{
    return lab->writers[index].addr;
}

static void set_vf_addr(Lab *lab, unsigned index, uint64_t val)
{
    lab->writers[index].addr = val;
}

static uint64_t get_vf_us(Lab *lab, unsigned index)
{
    return lab->writers[index].period_us;
}

static void set_vf_us(Lab *lab, unsigned index, uint64_t val)
{
    lab_writer_start(&lab->writers[index], val);
}

static uint64_t get_vf_writes(Lab *lab, unsigned index)
{
    return lab->writers[index].writes;
}

static uint64_t get_vf_refused(Lab *lab, unsigned index)
{
    return lab->writers[index].refused;
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
#define OPCODES_WIDE(name_, addr_, field_) \
    { .name = name_, .addr = addr_, .count = ROW_WIDE, .step = 8, \
      .access = READ, .field = offsetof(LabState, field_) }
/* Exists only on devices that have this function. */
#define SOME(name_, addr_, function_, max_) \
    { .name = name_, .addr = addr_, .access = READ | WRITE, .max = max_, \
      .get = get_##function_, .set = set_##function_, \
      .needs = offsetof(LabDevice, function_) }
#define OF_VF(suffix_, addr_, access_, max_, get_, set_) \
    { .name = "lab-vf", .suffix = suffix_, .addr = LAB_VF(0) + addr_, \
      .count = ROW_VFS, .step = LAB_VF(1) - LAB_VF(0), .access = access_, \
      .max = max_, .get = get_, .set = set_ }
#define OF_SOME_VF(suffix_, addr_, function_, max_) \
    { .name = "lab-vf", .suffix = suffix_, .addr = LAB_VF(0) + addr_, \
      .count = ROW_VFS, .step = LAB_VF(1) - LAB_VF(0), .access = WRITE, \
      .max = max_, .set = set_##function_, \
      .needs = offsetof(LabDevice, function_) }

static const LabReg regs[] = {
    RO("lab-id", LAB_ID, get_id),
    WO("lab-reset", LAB_RESET, set_reset),
    PLAIN("lab-total", LAB_TOTAL, total, READ, 0),
    WO("lab-mark", LAB_MARK, set_mark),
    RO("lab-objects", LAB_OBJECTS, get_objects),
    PLAIN("lab-member", LAB_MEMBER, member, READ | WRITE, ANY),
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
    SOME("lab-features", LAB_FEATURES, features,
         LAB_CAN_MIGRATE | LAB_CAN_VF | LAB_CAN_PRECOPY | LAB_CAN_STATE |
         LAB_CAN_CHUNKS | LAB_CAN_TRACK),
    SOME("lab-health", LAB_HEALTH, health,
         LAB_FATAL | LAB_STILL | LAB_MUTE | LAB_GONE),
    SOME("lab-track-pages", LAB_TRACK_PAGES, track_pages, UINT32_MAX),
    OPCODES("lab-count-", LAB_COUNT(0), count),
    OPCODES("lab-between-", LAB_BETWEEN(0), between),
    OPCODES_WIDE("lab-count-", LAB_WIDE_COUNT, count),
    OPCODES_WIDE("lab-between-", LAB_WIDE_BETWEEN, between),
    OF_VF("-status", LAB_VF_STATUS, READ, 0, get_vf_status, NULL),
    OF_VF("-pad", LAB_VF_PAD, READ | WRITE, ANY, get_vf_pad, set_vf_pad),
    OF_VF("-write-addr", LAB_VF_WRITE_ADDR, READ | WRITE, ANY, get_vf_addr,
          set_vf_addr),
    OF_VF("-write-us", LAB_VF_WRITE_US, READ | WRITE, HOUR_US, get_vf_us,
          set_vf_us),
    OF_VF("-writes", LAB_VF_WRITES, READ, 0, get_vf_writes, NULL),
    OF_VF("-refused", LAB_VF_REFUSED, READ, 0, get_vf_refused, NULL),
    OF_SOME_VF("-renew", LAB_VF_RENEW, vf_renew, ANY),
    OF_SOME_VF("-touch", LAB_VF_TOUCH, vf_touch, UINT32_MAX),
};

static bool has_function(const LabDevice *device, size_t offset)
{
    void *function;

    memcpy(&function, (const uint8_t *)device + offset, sizeof(function));
    return function;
}

static unsigned row_length(const Lab *lab, const LabReg *reg)
{
    if (reg->needs && !has_function(lab->device, reg->needs)) {
        return 0;
    }
    switch (reg->count) {
    case ROW_VFS:
        return lab->vfs;
    case ROW_WIDE:
        return lab->device->has_opcode ? LAB_WIDE_OPCODES : 0;
    default:
        return MAX(reg->count, 1);
    }
}

static uint64_t *reg_field(Lab *lab, const LabReg *reg, unsigned index)
{
    return (uint64_t *)((uint8_t *)&lab->s + reg->field) + index;
}

/* The device sets some of the limits. */
static uint64_t reg_max(const Lab *lab, const LabReg *reg)
{
    switch (reg->addr) {
    case LAB_MEMBER:
        return lab->device->max_vfs;
    case LAB_VF(0) + LAB_VF_PAD:
        return lab->device->max_pad;
    default:
        return reg->max;
    }
}

static uint64_t reg_get(Lab *lab, const LabReg *reg, unsigned index)
{
    if (!(reg->access & READ)) {
        return 0;
    }
    return reg->get ? reg->get(lab, index) : *reg_field(lab, reg, index);
}

static bool reg_set(Lab *lab, const LabReg *reg, unsigned index, uint64_t val)
{
    if (!(reg->access & WRITE) || val > reg_max(lab, reg)) {
        return false;
    }
    if (reg->set) {
        reg->set(lab, index, val);
    } else {
        *reg_field(lab, reg, index) = val;
    }
    return true;
}

/* ---- as a BAR ---- */

static const LabReg *find_reg(Lab *lab, hwaddr addr, unsigned *index)
{
    const LabReg *reg;

    for (reg = regs; reg < regs + ARRAY_SIZE(regs); reg++) {
        hwaddr off = addr - reg->addr;
        uint32_t step = MAX(reg->step, 8);

        if (addr >= reg->addr && off % step == 0 &&
            off / step < row_length(lab, reg)) {
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
    Lab *lab = opaque;
    unsigned index;
    const LabReg *reg = find_reg(lab, addr & ~7ull, &index);

    if (!reg) {
        return;
    }
    if (size == 4 && !(addr & 4)) {
        lab->low = val;
        lab->low_addr = addr;
        return;
    }
    if (size == 4) {
        uint64_t old = reg_get(lab, reg, index);
        uint32_t low = lab->low_addr == addr - 4 ? lab->low : old;

        val = val << 32 | low;
    }
    lab->low_addr = LAB_WIDE_SIZE;
    reg_set(lab, reg, index, val);
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
    Lab *lab;
    const LabReg *reg;
    unsigned index;
} LabProp;

static void prop_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const LabProp *prop = opaque;
    uint64_t val = reg_get(prop->lab, prop->reg, prop->index);

    visit_type_uint64(v, name, &val, errp);
}

static void prop_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const LabProp *prop = opaque;
    uint64_t val;

    if (visit_type_uint64(v, name, &val, errp) &&
        !reg_set(prop->lab, prop->reg, prop->index, val)) {
        error_setg(errp, "%s is at most %" PRIu64, name,
                   reg_max(prop->lab, prop->reg));
    }
}

static void prop_release(Object *obj, const char *name, void *opaque)
{
    g_free(opaque);
}

static void add_prop(Lab *lab, const LabReg *reg, unsigned index)
{
    LabProp *prop = g_new(LabProp, 1);
    g_autofree char *row = g_strdup_printf("%s%u%s", reg->name, index,
                                           reg->suffix ?: "");

    *prop = (LabProp) { .lab = lab, .reg = reg, .index = index };
    object_property_add(OBJECT(lab->pf), reg->count ? row : reg->name, "uint64",
                        reg->access & READ ? prop_get : NULL,
                        reg->access & WRITE ? prop_set : NULL,
                        prop_release, prop);
}

/* The wide row is sparse, and opcodes below LAB_OPCODES have their own row. */
static bool is_prop(const Lab *lab, const LabReg *reg, unsigned index)
{
    return reg->count != ROW_WIDE ||
           (index >= LAB_OPCODES && lab->device->has_opcode(index));
}

/* ---- the block ---- */

Lab *lab_new(const LabDevice *device, PCIDevice *pf, unsigned vfs)
{
    uint64_t size = device->has_opcode ? LAB_WIDE_SIZE : LAB_SIZE;
    Lab *lab = g_new0(Lab, 1);
    const LabReg *reg;
    unsigned i;

    lab->device = device;
    lab->pf = pf;
    lab->vfs = vfs;
    QTAILQ_INIT(&lab->cmds);
    lab->low_addr = LAB_WIDE_SIZE;
    lab->writers = g_new0(LabWriter, vfs);
    for (i = 0; i < vfs; i++) {
        lab_writer_init(&lab->writers[i], lab, i);
    }
    memory_region_init_io(&lab->mr, OBJECT(pf), &lab_ops, lab, "lab", size);
    pci_register_bar(pf, LAB_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &lab->mr);
    for (reg = regs; reg < regs + ARRAY_SIZE(regs); reg++) {
        for (i = 0; i < row_length(lab, reg); i++) {
            if (is_prop(lab, reg, i)) {
                add_prop(lab, reg, i);
            }
        }
    }
    return lab;
}

void lab_free(Lab *lab)
{
    unsigned i;

    for (i = 0; i < lab->vfs; i++) {
        lab_writer_free(&lab->writers[i]);
    }
    g_free(lab->writers);
    g_free(lab);
}
