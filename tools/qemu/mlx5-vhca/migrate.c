/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration commands. SUSPEND stops the initiator of DMA, then the responder;
 * RESUME goes in reverse order. SAVE opens a session, in which everything not yet
 * written or changed since is dirty. LOAD collects images; the first RESUME step
 * applies them.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "mlx5-vhca.h"

/* The largest size that a query in chunks returns. */
#define CHUNK               (8 * MiB)

/* op_mod of SUSPEND and RESUME, which differ in order */
static const uint8_t suspend_parts[] = { MLX5_INITIATOR, MLX5_RESPONDER };
static const uint8_t resume_parts[] = { MLX5_RESPONDER, MLX5_INITIATOR };

/* migration_state of a query */
#define MIG_IDLE            1
#define MIG_READY           2
#define MIG_DIRTY           3
#define MIG_INIT            4

static uint8_t refuse(Mlx5Cmd *cmd, uint8_t status, uint32_t syndrome)
{
    mlx5_set(cmd->out, CMD_SYNDROME, syndrome);
    return status;
}

static Mlx5VF *named_vf(Mlx5PF *pf, const Mlx5Cmd *cmd)
{
    unsigned vhca_id = mlx5_get(cmd->in, MIG_VHCA_ID);
    Mlx5VF *vf = vhca_id ? mlx5_vf(pf, vhca_id - MLX5_VHCA_ID(0)) : NULL;

    if (~pf->features & (LAB_CAN_MIGRATE | LAB_CAN_VF)) {
        return NULL;
    }
    return vf && vf->enabled && PCI_DEVICE(vf)->enabled ? vf : NULL;
}

static bool is_stopped(const Mlx5VF *vf)
{
    return vf->suspended == (MLX5_INITIATOR | MLX5_RESPONDER);
}

/* ---- sessions ---- */

static void save_close(Mlx5VF *vf)
{
    g_free(vf->save.dirty);
    memset(&vf->save, 0, sizeof(vf->save));
}

static void save_open(Mlx5VF *vf)
{
    uint64_t blocks = mlx5_state_blocks(&vf->s);

    save_close(vf);
    vf->save.open = true;
    vf->save.dirty = bitmap_new(MAX(blocks, 1));
    bitmap_set(vf->save.dirty, 0, blocks);
}

static uint64_t dirty_blocks(const Mlx5VF *vf)
{
    uint64_t blocks = mlx5_state_blocks(&vf->s);

    return blocks ? bitmap_count_one(vf->save.dirty, blocks) : 0;
}

/* A running VF without changes needs no image; a stopped one needs a final image. */
static uint64_t session_size(const Mlx5VF *vf)
{
    uint64_t blocks = dirty_blocks(vf);

    return blocks || vf->save.renewed || is_stopped(vf) ?
           mlx5_image_size(blocks) : 0;
}

/* ---- commands ---- */

static uint8_t suspend_vhca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned op_mod = mlx5_get(cmd->in, CMD_OP_MOD);
    Mlx5VF *vf = named_vf(pf, cmd);

    if (!vf || op_mod >= ARRAY_SIZE(suspend_parts)) {
        return STAT_BAD_PARAM;
    }
    if (vf->suspended != (op_mod ? MLX5_INITIATOR : 0)) {
        return refuse(cmd, STAT_BAD_RES_STATE, SYND_SUSPENDED);
    }
    vf->suspended |= suspend_parts[op_mod];
    mlx5_engine_update(vf);
    return STAT_OK;
}

static uint8_t resume_vhca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned op_mod = mlx5_get(cmd->in, CMD_OP_MOD);
    Mlx5VF *vf = named_vf(pf, cmd);
    Mlx5Load *load;

    if (!vf || op_mod >= ARRAY_SIZE(resume_parts)) {
        return STAT_BAD_PARAM;
    }
    if (op_mod ? vf->suspended != MLX5_INITIATOR : !is_stopped(vf)) {
        return refuse(cmd, STAT_BAD_RES_STATE, SYND_SUSPENDED);
    }
    load = &vf->load;
    if (resume_parts[op_mod] == MLX5_RESPONDER) {
        if (load->phase != LOAD_NONE && load->phase != LOAD_WHOLE) {
            return refuse(cmd, STAT_BAD_RES_STATE, SYND_INCOMPLETE);
        }
        if (load->phase == LOAD_WHOLE) {
            mlx5_state_free(&vf->s);
            vf->s = load->s;
            memset(&load->s, 0, sizeof(load->s));
            mlx5_load_drop(load);
        }
        /* The VF runs, which outdates all saved images. */
        save_close(vf);
    }
    vf->suspended &= ~resume_parts[op_mod];
    mlx5_engine_update(vf);
    return STAT_OK;
}

static unsigned migration_state(const Mlx5VF *vf)
{
    if (!vf->save.open) {
        return MIG_IDLE;
    }
    return vf->save.renewed ? MIG_INIT : dirty_blocks(vf) ? MIG_DIRTY
                                                          : MIG_READY;
}

static uint8_t query_migration(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    bool incremental = mlx5_get(cmd->in, MIG_INCREMENTAL);
    bool chunk = mlx5_get(cmd->in, MIG_QUERY_CHUNK);
    Mlx5VF *vf = named_vf(pf, cmd);
    uint64_t size;

    if (!vf || mlx5_get(cmd->in, CMD_OP_MOD) ||
        (chunk && !(pf->features & LAB_CAN_CHUNKS)) ||
        (incremental && !(pf->features & LAB_CAN_PRECOPY))) {
        return STAT_BAD_PARAM;
    }
    if (incremental && !vf->save.open) {
        return refuse(cmd, STAT_BAD_RES_STATE, SYND_NO_SESSION);
    }
    size = incremental ? session_size(vf)
                       : mlx5_image_size(mlx5_state_blocks(&vf->s));
    if (!chunk && size > UINT32_MAX) {
        return STAT_LIM;
    }
    if (pf->features & LAB_CAN_STATE) {
        mlx5_set(cmd->out, MIG_QUERY_STATE, migration_state(vf));
    }
    mlx5_set(cmd->out, MIG_QUERY_SIZE, chunk ? MIN(size, CHUNK) : size);
    mlx5_set(cmd->out, MIG_QUERY_TOTAL, size);
    return STAT_OK;
}

/* Checks that the flags fit the state of the VF. */
static uint32_t check_save(const Mlx5VF *vf, bool incremental, bool track)
{
    if (incremental && !vf->save.open) {
        return SYND_NO_SESSION;
    }
    if (is_stopped(vf) && track) {
        return SYND_SUSPENDED;
    }
    if (!is_stopped(vf) && !track && (incremental || !vf->save.open)) {
        return SYND_NOT_SUSPENDED;
    }
    return 0;
}

static uint8_t save_vhca_state(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    bool incremental = mlx5_get(cmd->in, MIG_INCREMENTAL);
    bool track = mlx5_get(cmd->in, MIG_SAVE_TRACK);
    uint32_t mkey = mlx5_get(cmd->in, MIG_MKEY), wrong, len;
    uint64_t va = mlx5_get(cmd->in, MIG_VA);
    uint32_t size = mlx5_get(cmd->in, MIG_SIZE);
    Mlx5VF *vf = named_vf(pf, cmd);
    Mlx5Io io = { pf, mkey, va, cmd->fault };

    if (!vf || mlx5_get(cmd->in, CMD_OP_MOD) ||
        ((incremental || track) && !(pf->features & LAB_CAN_PRECOPY) &&
         !(incremental && pf->features & LAB_CAN_CHUNKS))) {
        return STAT_BAD_PARAM;
    }
    wrong = check_save(vf, incremental, track);
    if (wrong) {
        return refuse(cmd, STAT_BAD_RES_STATE, wrong);
    }
    if (!is_stopped(vf) && !track) {
        /* This SAVE only ends the tracking. */
        save_close(vf);
        return STAT_OK;
    }
    if (!mlx5_mkey_allows(pf, mkey, va, size, true)) {
        return refuse(cmd, STAT_BAD_PARAM, SYND_KEY);
    }
    if (size < mlx5_image_size(0) ||
        (!(pf->features & LAB_CAN_CHUNKS) && is_stopped(vf) &&
         size < (incremental ? session_size(vf)
                             : mlx5_image_size(mlx5_state_blocks(&vf->s))))) {
        return refuse(cmd, STAT_BAD_PARAM, SYND_ROOM);
    }
    if (!incremental) {
        save_open(vf);
    }
    len = mlx5_image_write(vf, &io, size, is_stopped(vf));
    vf->save.renewed = false;
    if (!len) {
        /* The image is lost, so the session cannot continue. */
        save_close(vf);
        return refuse(cmd, STAT_BAD_PARAM, SYND_DMA);
    }
    mlx5_set(cmd->out, MIG_ACTUAL_SIZE, len);
    if (is_stopped(vf)) {
        uint64_t left = dirty_blocks(vf);

        mlx5_set(cmd->out, MIG_NEXT_SIZE,
                 left ? MIN(mlx5_image_size(left), CHUNK) : 0);
        if (!left) {
            save_close(vf);
        }
    }
    return STAT_OK;
}

static uint8_t load_vhca_state(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    uint32_t mkey = mlx5_get(cmd->in, MIG_MKEY), wrong;
    uint64_t va = mlx5_get(cmd->in, MIG_VA);
    uint32_t size = mlx5_get(cmd->in, MIG_SIZE);
    Mlx5VF *vf = named_vf(pf, cmd);
    Mlx5Io io = { pf, mkey, va };

    if (!vf || mlx5_get(cmd->in, CMD_OP_MOD)) {
        return STAT_BAD_PARAM;
    }
    if (!is_stopped(vf)) {
        return refuse(cmd, STAT_BAD_RES_STATE, SYND_NOT_SUSPENDED);
    }
    if (!mlx5_mkey_allows(pf, mkey, va, size, false)) {
        return refuse(cmd, STAT_BAD_PARAM, SYND_KEY);
    }
    wrong = mlx5_image_read(&vf->load, &io, size);
    if (wrong) {
        mlx5_load_drop(&vf->load);
        vf->load.phase = LOAD_BAD;
        return refuse(cmd, STAT_BAD_PARAM, wrong);
    }
    return STAT_OK;
}

/* ---- of the function ---- */

/* After a reset, the VF runs and its engine is not initialized. */
void mlx5_vf_reset(Mlx5VF *vf)
{
    uint64_t pad = vf->s.pad;

    save_close(vf);
    mlx5_load_drop(&vf->load);
    mlx5_state_free(&vf->s);
    mlx5_state_init(&vf->s, pad);
    vf->suspended = 0;
    vf->low_addr = 0;
    mlx5_engine_update(vf);
}

/* A session cannot continue with another pad. */
void mlx5_vf_set_pad(Mlx5VF *vf, uint64_t pad)
{
    if (pad == vf->s.pad) {
        return;
    }
    save_close(vf);
    vf->s.pad = pad;
    g_free(vf->s.version);
    vf->s.version = g_new0(uint32_t, mlx5_state_blocks(&vf->s));
}

void mlx5_vf_touch(Mlx5VF *vf, uint64_t first, uint64_t blocks)
{
    uint64_t total = mlx5_state_blocks(&vf->s), i;

    for (i = first; i < first + MIN(blocks, total); i++) {
        vf->s.version[i % total]++;
        if (vf->save.open) {
            set_bit(i % total, vf->save.dirty);
        }
    }
}

void mlx5_vf_exit(Mlx5VF *vf)
{
    save_close(vf);
    mlx5_load_drop(&vf->load);
    mlx5_state_free(&vf->s);
}

const Mlx5Op mlx5_migrate_ops[] = {
    { OP_SUSPEND_VHCA,    16, 8,  suspend_vhca, NAMES_VHCA },
    { OP_RESUME_VHCA,     16, 8,  resume_vhca, NAMES_VHCA },
    { OP_QUERY_MIGRATION, 16, 64, query_migration, NAMES_VHCA },
    { OP_SAVE_VHCA_STATE, 32, 16, save_vhca_state, NAMES_VHCA },
    { OP_LOAD_VHCA_STATE, 32, 8,  load_vhca_state, NAMES_VHCA },
    { }
};
