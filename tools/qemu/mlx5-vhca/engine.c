/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test engine of a VF. While it is on and the VF may do DMA, it writes
 * patterns to memory and counts the writes. It does not catch up on writes that
 * a stop kept it from. Each write also changes a block of the pad, so the state
 * of a running device gets dirty.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

#define MAX_PERIOD_US   (3600ull * 1000 * 1000)
#define MAX_BATCH       4096

#define REG(offset)     ((offset) / 8)

typedef struct RegRule {
    bool writable;
    uint64_t max;
} RegRule;

static const RegRule rules[ENGINE_REGS] = {
    [REG(ENGINE_CONTROL)]   = { true, ENGINE_RUN },
    [REG(ENGINE_ADDRESS)]   = { true, UINT64_MAX },
    [REG(ENGINE_LENGTH)]    = { true, 1 * TiB },
    [REG(ENGINE_STRIDE)]    = { true, 1 * TiB },
    [REG(ENGINE_PERIOD_US)] = { true, MAX_PERIOD_US },
    [REG(ENGINE_BATCH)]     = { true, MAX_BATCH },
    [REG(ENGINE_SEED)]      = { true, UINT64_MAX },
    [REG(ENGINE_SCRATCH(0)) ... REG(ENGINE_SCRATCH(ENGINE_SCRATCHES - 1))] =
                              { true, UINT64_MAX },
};

/* Checks registers from a loaded image. */
bool mlx5_engine_valid(const uint64_t *reg)
{
    unsigned i;

    for (i = 0; i < ENGINE_REGS; i++) {
        if (rules[i].writable && reg[i] > rules[i].max) {
            return false;
        }
    }
    return reg[REG(ENGINE_ID)] == ENGINE_ID_VALUE;
}

bool mlx5_vf_master(Mlx5VF *vf)
{
    return pci_get_word(PCI_DEVICE(vf)->config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

static bool may_write(Mlx5VF *vf)
{
    return PCI_DEVICE(vf)->enabled && !vf->suspended && mlx5_vf_master(vf);
}

static void write_once(Mlx5VF *vf)
{
    uint64_t *reg = vf->s.reg;
    uint64_t n = reg[REG(ENGINE_COUNT)]++;
    uint64_t length = reg[REG(ENGINE_LENGTH)];
    uint64_t offset = length ? n * reg[REG(ENGINE_STRIDE)] % length : 0;
    uint8_t val[8];

    stq_le_p(val, reg[REG(ENGINE_SEED)] + n);
    if (pci_dma_write(PCI_DEVICE(vf), reg[REG(ENGINE_ADDRESS)] + offset, val,
                      sizeof(val)) != MEMTX_OK) {
        reg[REG(ENGINE_REFUSED)]++;
    }
    mlx5_track_write(vf, reg[REG(ENGINE_ADDRESS)] + offset, sizeof(val));
    mlx5_vf_touch(vf, n, 1);
}

static void arm(Mlx5VF *vf)
{
    timer_mod(vf->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                         (int64_t)vf->s.reg[REG(ENGINE_PERIOD_US)] * SCALE_US);
}

static void tick(void *opaque)
{
    Mlx5VF *vf = opaque;
    uint64_t i;

    for (i = 0; i < vf->s.reg[REG(ENGINE_BATCH)] && may_write(vf); i++) {
        write_once(vf);
    }
    arm(vf);
}

/* Starts or stops the engine as the registers say. */
void mlx5_engine_update(Mlx5VF *vf)
{
    if (vf->s.reg[REG(ENGINE_CONTROL)] & ENGINE_RUN &&
        vf->s.reg[REG(ENGINE_PERIOD_US)] && vf->s.reg[REG(ENGINE_BATCH)] &&
        !vf->suspended) {
        arm(vf);
    } else {
        timer_del(vf->timer);
    }
}

static uint64_t *find_reg(Mlx5VF *vf, hwaddr addr)
{
    return addr >= ENGINE_BASE && addr < ENGINE_BASE + 8 * ENGINE_REGS ?
           &vf->s.reg[REG(addr - ENGINE_BASE)] : NULL;
}

static uint64_t engine_read(void *opaque, hwaddr addr, unsigned size)
{
    Mlx5VF *vf = opaque;
    uint64_t *reg = find_reg(vf, addr), val;

    if (vf->suspended & MLX5_RESPONDER) {
        vf->refused++;
        return UINT64_MAX >> (64 - 8 * size);
    }
    val = reg ? *reg : 0;
    return addr & 4 ? val >> 32 : size == 4 ? (uint32_t)val : val;
}

static void set_reg(Mlx5VF *vf, uint64_t *reg, uint64_t val)
{
    const RegRule *rule = &rules[reg - vf->s.reg];
    uint64_t *control = &vf->s.reg[REG(ENGINE_CONTROL)];

    if (!rule->writable || val > rule->max) {
        return;
    }
    if (reg == control && val & ~*control & ENGINE_RUN) {
        vf->s.reg[REG(ENGINE_COUNT)] = 0;
        vf->s.reg[REG(ENGINE_REFUSED)] = 0;
    }
    *reg = val;
    /* The driver initialized the engine again, which outdates the saved state. */
    vf->save.renewed = true;
    mlx5_engine_update(vf);
}

static void engine_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    Mlx5VF *vf = opaque;
    uint64_t *reg = find_reg(vf, addr);

    if (vf->suspended & MLX5_RESPONDER) {
        vf->refused++;
        return;
    }
    if (!reg) {
        return;
    }
    if (size == 4 && !(addr & 4)) {
        vf->low = val;
        vf->low_addr = addr;
        return;
    }
    if (size == 4) {
        val = val << 32 |
              (vf->low_addr == addr - 4 ? vf->low : (uint32_t)*reg);
    }
    vf->low_addr = 0;
    set_reg(vf, reg, val);
}

const MemoryRegionOps mlx5_engine_ops = {
    .read = engine_read,
    .write = engine_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

void mlx5_engine_init(Mlx5VF *vf)
{
    vf->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, tick, vf);
}

void mlx5_engine_exit(Mlx5VF *vf)
{
    g_clear_pointer(&vf->timer, timer_free);
}
