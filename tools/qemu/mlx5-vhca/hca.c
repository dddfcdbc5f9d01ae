/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The function: its capabilities, bringing it up and down, and its VFs. It has
 * neither Ethernet nor RDMA, so it lacks their capabilities.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

/* ---- capabilities ---- */

typedef struct CapValue {
    Mlx5Field field;
    uint64_t val;
} CapValue;

typedef struct CapTable {
    uint16_t type;
    const CapValue *values;
    unsigned count;
} CapTable;

static const CapValue general[] = {
    { { 0x006, 1 }, 1 },                    /* page_request_disable */
    { { 0x020, 1 }, 1 },                    /* hca_cap_2 */
    { { 0x088, 8 }, 15 },                   /* log_max_qp_sz */
    { { 0x090, 1 }, 1 },                    /* event_cap */
    { { 0x09b, 5 }, 18 },                   /* log_max_qp */
    { { 0x0c8, 8 }, 22 },                   /* log_max_cq_sz */
    { { 0x0db, 5 }, 16 },                   /* log_max_cq */
    { { 0x0e0, 8 }, 16 },                   /* log_max_eq_sz */
    { { 0x0ea, 6 }, 24 },                   /* log_max_mkey */
    { { 0x0fc, 4 }, 5 },                    /* log_max_eq: MLX5_MAX_EQS */
    { { 0x1b6, 2 }, 1 },                    /* port_type: Ethernet */
    { { 0x1b8, 8 }, 1 },                    /* num_ports */
    { { 0x1c3, 5 }, 30 },                   /* log_max_msg */
    { { 0x258, 8 }, 12 },                   /* log_pg_sz */
    { { 0x26b, 5 }, 9 },                    /* log_bf_reg_size */
    { { 0x32b, 5 }, 16 },                   /* log_max_pd */
};
#define GENERAL_ADV_VIRT    MLX5_FIELD(0x579, 1)
#define GENERAL_MIGRATION   MLX5_FIELD(0x68d, 1)
#define GENERAL_VHCA_ID     MLX5_FIELD(0x30, 16)

#define GENERAL_2_MIGRATABLE    MLX5_FIELD(0x80, 1)
#define GENERAL_2_MULTI_LOAD    MLX5_FIELD(0xc8, 1)
#define GENERAL_2_TRACKING      MLX5_FIELD(0xc9, 1)
#define GENERAL_2_IN_CHUNKS     MLX5_FIELD(0xd0, 1)
#define GENERAL_2_STATE         MLX5_FIELD(0xd9, 1)

#define TRACK_MAX_SPACE         MLX5_FIELD(0x18, 8) /* pg_track_log_max_addr_space */

/* Bit n of the second set of 256, for events that belong to no user */
static const CapValue dev_event[] = {
    { { 0x100 + 63 - EVENT_OBJECT_CHANGE, 1 }, 1 },
};

static const CapValue adv_virtualization[] = {
    { { 0x03, 5 }, MLX5_TRACK_LOG_NUM },    /* pg_track_log_max_num */
    { { 0x08, 8 }, MLX5_TRACK_RANGES },     /* pg_track_max_num_range */
    { { 0x10, 8 }, MLX5_TRACK_MIN_SPACE },  /* pg_track_log_min_addr_space */
    { { 0x23, 5 }, MLX5_TRACK_MIN_MSG },    /* pg_track_log_min_msg_size */
    { { 0x2b, 5 }, MLX5_TRACK_MAX_MSG },    /* pg_track_log_max_msg_size */
    { { 0x33, 5 }, MLX5_TRACK_MIN_PAGE },   /* pg_track_log_min_page_size */
    { { 0x3b, 5 }, MLX5_TRACK_MAX_PAGE },   /* pg_track_log_max_page_size */
};

static const CapTable caps[] = {
    { CAP_GENERAL, general, ARRAY_SIZE(general) },
    { CAP_GENERAL_2, NULL, 0 },
    { CAP_DEV_EVENT, dev_event, ARRAY_SIZE(dev_event) },
    { CAP_ADV_VIRTUALIZATION, adv_virtualization,
      ARRAY_SIZE(adv_virtualization) },
};

typedef struct CapFeature {
    uint16_t type;
    Mlx5Field field;
    uint32_t feature;
} CapFeature;

static const CapFeature cap_features[] = {
    { CAP_GENERAL, GENERAL_MIGRATION, LAB_CAN_MIGRATE },
    { CAP_GENERAL, GENERAL_ADV_VIRT, LAB_CAN_TRACK },
    { CAP_GENERAL_2, GENERAL_2_MULTI_LOAD, LAB_CAN_PRECOPY },
    { CAP_GENERAL_2, GENERAL_2_TRACKING, LAB_CAN_PRECOPY },
    { CAP_GENERAL_2, GENERAL_2_STATE, LAB_CAN_STATE },
    { CAP_GENERAL_2, GENERAL_2_IN_CHUNKS, LAB_CAN_CHUNKS },
};

static uint8_t query_hca_cap(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned op_mod = mlx5_get(cmd->in, CMD_OP_MOD), type = op_mod >> 1;
    unsigned function = mlx5_get(cmd->in, CMD_OTHER_FUNCTION) ?
                        mlx5_get(cmd->in, CMD_FUNCTION_ID) : 0;
    uint8_t *out = cmd->out + CAP_OFFSET;
    const CapTable *t;
    unsigned i;

    for (t = caps; t < caps + ARRAY_SIZE(caps) && t->type != type; t++) {
    }
    if (t == caps + ARRAY_SIZE(caps) || function > pf->sriov_vfs ||
        (type == CAP_ADV_VIRTUALIZATION && !(pf->features & LAB_CAN_TRACK))) {
        return STAT_BAD_PARAM;
    }
    for (i = 0; i < t->count; i++) {
        mlx5_set(out, t->values[i].field, t->values[i].val);
    }
    for (i = 0; i < ARRAY_SIZE(cap_features); i++) {
        const CapFeature *f = &cap_features[i];

        if (f->type == type) {
            mlx5_set(out, f->field, !!(pf->features & f->feature));
        }
    }
    if (type == CAP_GENERAL) {
        mlx5_set(out, GENERAL_VHCA_ID, MLX5_VHCA_ID(function));
    } else if (type == CAP_ADV_VIRTUALIZATION) {
        mlx5_set(out, TRACK_MAX_SPACE, pf->track_space);
    } else if (type == CAP_GENERAL_2) {
        mlx5_set(out, GENERAL_2_MIGRATABLE,
                 function && pf->features & LAB_CAN_VF);
    }
    return STAT_OK;
}

/* ---- up and down ---- */

void mlx5_hca_reset(Mlx5PF *pf)
{
    pf->running = false;
    memset(pf->uars, 0, sizeof(pf->uars));
    mlx5_eq_reset(pf);
    mlx5_track_reset(pf);
    mlx5_queues_reset(pf);
    mlx5_mkey_reset(pf);
}

void mlx5_firmware_reset(Mlx5PF *pf)
{
    unsigned i;

    mlx5_cmd_drop(pf);
    mlx5_hca_reset(pf);
    for (i = 1; i <= pf->sriov_vfs; i++) {
        Mlx5VF *vf = mlx5_vf(pf, i);

        vf->enabled = false;
        mlx5_vf_reset(vf);
    }
    pf->health = 0;
    pf->interface = NIC_DISABLED;
}

static uint8_t enable_hca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned function = mlx5_get(cmd->in, CMD_FUNCTION_ID);
    Mlx5VF *vf = mlx5_vf(pf, function);

    if (function && !vf) {
        return STAT_BAD_PARAM;
    }
    if (vf) {
        vf->enabled = true;
    }
    return STAT_OK;
}

static uint8_t disable_hca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned function = mlx5_get(cmd->in, CMD_FUNCTION_ID);
    Mlx5VF *vf = mlx5_vf(pf, function);

    if (function && !vf) {
        return STAT_BAD_PARAM;
    }
    if (vf) {
        vf->enabled = false;
        mlx5_vf_reset(vf);
    }
    return STAT_OK;
}

static uint8_t init_hca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    pf->running = true;
    return STAT_OK;
}

static uint8_t teardown_hca(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    mlx5_hca_reset(pf);
    return STAT_OK;
}

static uint8_t query_issi(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    mlx5_set(cmd->out, ISSI_SUPPORTED, 1 << 0 | 1 << 1);
    return STAT_OK;
}

static uint8_t set_issi(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return mlx5_get(cmd->in, ISSI_CURRENT) > 1 ? STAT_BAD_PARAM : STAT_OK;
}

/* The device has its own memory, so it asks for no pages and accepts any setting. */
static uint8_t take_any(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return STAT_OK;
}

static uint8_t access_reg(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return mlx5_get(cmd->in, REG_ID) == REG_HOST_ENDIANNESS ? STAT_OK
                                                            : STAT_BAD_PARAM;
}

static uint8_t query_adapter(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    static const char psid[ADAPTER_PSID_LENGTH] = "VFIO_SNAPSHOT";

    mlx5_set(cmd->out, ADAPTER_VENDOR, 0x2c9);
    memcpy(cmd->out + ADAPTER_PSID_OFFSET, psid, sizeof(psid));
    return STAT_OK;
}

static uint8_t alloc_uar(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned i;

    for (i = MLX5_UAR_FIRST; i < MLX5_UARS; i++) {
        if (!(pf->uars[i / 32] & 1u << i % 32)) {
            pf->uars[i / 32] |= 1u << i % 32;
            mlx5_set(cmd->out, CMD_OBJECT, i);
            return STAT_OK;
        }
    }
    return STAT_NO_RES;
}

static uint8_t dealloc_uar(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned i = mlx5_get(cmd->in, CMD_OBJECT);

    if (i >= MLX5_UARS || !(pf->uars[i / 32] & 1u << i % 32)) {
        return STAT_BAD_RES;
    }
    pf->uars[i / 32] &= ~(1u << i % 32);
    return STAT_OK;
}

const Mlx5Op mlx5_hca_ops[] = {
    { OP_QUERY_HCA_CAP, 16, CAP_OFFSET + CAP_LENGTH, query_hca_cap },
    { OP_SET_HCA_CAP,   CAP_OFFSET + CAP_LENGTH, 8, take_any },
    { OP_QUERY_ADAPTER, 16, ADAPTER_PSID_OFFSET + ADAPTER_PSID_LENGTH,
      query_adapter },
    { OP_INIT_HCA,      16, 8, init_hca },
    { OP_TEARDOWN_HCA,  16, 8, teardown_hca },
    { OP_ENABLE_HCA,    16, 8, enable_hca, NAMES_FUNCTION },
    { OP_DISABLE_HCA,   16, 8, disable_hca, NAMES_FUNCTION },
    { OP_QUERY_PAGES,   16, 16, take_any },
    { OP_QUERY_ISSI,    16, 112, query_issi },
    { OP_SET_ISSI,      16, 8, set_issi },
    { OP_ACCESS_REG,    16, 8, access_reg },
    { OP_ALLOC_UAR,     16, 16, alloc_uar },
    { OP_DEALLOC_UAR,   16, 8, dealloc_uar },
    { }
};
