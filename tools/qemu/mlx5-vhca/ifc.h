/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the ConnectX firmware interface that this device implements:
 * opcodes, statuses, and the fields of commands and contexts. All is big-endian.
 * A field is its first bit, counted from the most significant bit of the first
 * byte, and its width.
 */
#ifndef HW_NET_MLX5_VHCA_IFC_H
#define HW_NET_MLX5_VHCA_IFC_H

#include "qemu/bswap.h"

typedef struct Mlx5Field {
    uint32_t bit;
    uint32_t width;
} Mlx5Field;

#define MLX5_FIELD(bit, width) ((Mlx5Field) { bit, width })

/* A field lies within a 32-bit word, or is a whole 64-bit word. */
static inline uint64_t mlx5_get(const void *buf, Mlx5Field f)
{
    const uint8_t *p = (const uint8_t *)buf + f.bit / 32 * 4;

    if (f.width == 64) {
        return ldq_be_p(p);
    }
    return extract32(ldl_be_p(p), 32 - f.bit % 32 - f.width, f.width);
}

static inline void mlx5_set(void *buf, Mlx5Field f, uint64_t val)
{
    uint8_t *p = (uint8_t *)buf + f.bit / 32 * 4;

    if (f.width == 64) {
        stq_be_p(p, val);
        return;
    }
    stl_be_p(p, deposit32(ldl_be_p(p), 32 - f.bit % 32 - f.width, f.width,
                          val));
}

/* Opcodes */
#define OP_QUERY_HCA_CAP        0x100
#define OP_QUERY_ADAPTER        0x101
#define OP_INIT_HCA             0x102
#define OP_TEARDOWN_HCA         0x103
#define OP_ENABLE_HCA           0x104
#define OP_DISABLE_HCA          0x105
#define OP_QUERY_PAGES          0x107
#define OP_SET_HCA_CAP          0x109
#define OP_QUERY_ISSI           0x10a
#define OP_SET_ISSI             0x10b
#define OP_SUSPEND_VHCA         0x115
#define OP_RESUME_VHCA          0x116
#define OP_QUERY_MIGRATION      0x117
#define OP_SAVE_VHCA_STATE      0x118
#define OP_LOAD_VHCA_STATE      0x119
#define OP_CREATE_MKEY          0x200
#define OP_DESTROY_MKEY         0x202
#define OP_CREATE_EQ            0x301
#define OP_DESTROY_EQ           0x302
#define OP_CREATE_CQ            0x400
#define OP_DESTROY_CQ           0x401
#define OP_CREATE_QP            0x500
#define OP_DESTROY_QP           0x501
#define OP_RST2INIT_QP          0x502
#define OP_INIT2RTR_QP          0x503
#define OP_RTR2RTS_QP           0x504
#define OP_ALLOC_PD             0x800
#define OP_DEALLOC_PD           0x801
#define OP_ALLOC_UAR            0x802
#define OP_DEALLOC_UAR          0x803
#define OP_ACCESS_REG           0x805
#define OP_CREATE_OBJECT        0xa00
#define OP_MODIFY_OBJECT        0xa01
#define OP_QUERY_OBJECT         0xa02
#define OP_DESTROY_OBJECT       0xa03

/* Statuses of a command that was delivered */
#define STAT_OK                 0x00
#define STAT_BAD_OP             0x02
#define STAT_BAD_PARAM          0x03
#define STAT_BAD_SYS_STATE      0x04
#define STAT_BAD_RES            0x05
#define STAT_RES_BUSY           0x06
#define STAT_LIM                0x08
#define STAT_BAD_RES_STATE      0x09
#define STAT_NO_RES             0x0f
#define STAT_BAD_QP_STATE       0x10
#define STAT_BAD_INP_LEN        0x50
#define STAT_BAD_OUTP_LEN       0x51

/* Statuses of its delivery */
#define DELIVERY_TOKEN          0x2
#define DELIVERY_BLOCK_NUM      0x3
#define DELIVERY_OUT_PTR        0x4
#define DELIVERY_IN_PTR         0x5
#define DELIVERY_FW             0x6
#define DELIVERY_IN_LENGTH      0x7
#define DELIVERY_OUT_LENGTH     0x8
#define DELIVERY_DESCRIPTOR     0x10

/* Types of events */
#define EVENT_COMP              0x00
#define EVENT_CMD               0x0a
#define EVENT_OBJECT_CHANGE     0x27

/* A command and its mailboxes */
#define CMD_OPCODE              MLX5_FIELD(0x00, 16)
#define CMD_OP_MOD              MLX5_FIELD(0x30, 16)
#define CMD_STATUS              MLX5_FIELD(0x00, 8)
#define CMD_SYNDROME            MLX5_FIELD(0x20, 32)

/* ENABLE, DISABLE and QUERY of a function; VFs count from 1 */
#define CMD_OTHER_FUNCTION      MLX5_FIELD(0x40, 1)
#define CMD_FUNCTION_ID         MLX5_FIELD(0x50, 16)
#define PAGES_NUM               MLX5_FIELD(0x60, 32)
#define ISSI_CURRENT            MLX5_FIELD(0x50, 16)
#define ISSI_SUPPORTED          MLX5_FIELD(0x360, 32)
#define REG_ID                  MLX5_FIELD(0x50, 16)
#define REG_HOST_ENDIANNESS     0x7004

/* QUERY_HCA_CAP, SET_HCA_CAP: op_mod is type << 1 | current */
#define CAP_OFFSET              0x10
#define CAP_LENGTH              0x1000
#define CAP_GENERAL             0x00
#define CAP_DEV_EVENT           0x14
#define CAP_GENERAL_2           0x20
#define CAP_ADV_VIRTUALIZATION  0x26

#define ADAPTER_PSID_OFFSET     (0x10 + 0xf0)
#define ADAPTER_PSID_LENGTH     16
#define ADAPTER_VENDOR          MLX5_FIELD(0x148, 24)

/* Object numbers, at the same place in the create and the destroy command */
#define CMD_OBJECT              MLX5_FIELD(0x48, 24)
#define CMD_EQN                 MLX5_FIELD(0x58, 8)

#define CREATE_EQ_CONTEXT       0x10
#define CREATE_EQ_EVENTS        0x58
#define CREATE_EQ_PAS           0x110
#define EQC_LOG_SIZE            MLX5_FIELD(0x63, 5)
#define EQC_UAR                 MLX5_FIELD(0x68, 24)
#define EQC_INTR                MLX5_FIELD(0xb4, 12)
#define EQC_LOG_PAGE            MLX5_FIELD(0xc3, 5)

#define CREATE_CQ_CONTEXT       0x10
#define CREATE_CQ_PAS           0x110
#define CQC_CQE_SIZE            MLX5_FIELD(0x08, 3)
#define CQC_LOG_SIZE            MLX5_FIELD(0x63, 5)
#define CQC_EQN                 MLX5_FIELD(0xa0, 32)
#define CQC_LOG_PAGE            MLX5_FIELD(0xc3, 5)
#define CQC_RECORD              MLX5_FIELD(0x1c0, 64)

#define CREATE_QP_CONTEXT       0x18
#define CREATE_QP_PAS           0x110
#define MODIFY_QP_CONTEXT       0x18
#define MODIFY_QP_LENGTH        0x110
#define QPC_PD                  MLX5_FIELD(0x28, 24)
#define QPC_LOG_RQ_SIZE         MLX5_FIELD(0x49, 4)
#define QPC_LOG_RQ_STRIDE       MLX5_FIELD(0x4d, 3)
#define QPC_NO_SQ               MLX5_FIELD(0x50, 1)
#define QPC_LOG_PAGE            MLX5_FIELD(0xa3, 5)
#define QPC_REMOTE              MLX5_FIELD(0xa8, 24)
#define QPC_CQN_RCV             MLX5_FIELD(0x4e8, 24)
#define QPC_RECORD              MLX5_FIELD(0x500, 64)
#define QPC_RQ_TYPE             MLX5_FIELD(0x565, 3)
#define QPC_RQ_NORMAL           0

/* General objects, of which there is one type */
#define OBJ_TYPE                MLX5_FIELD(0x30, 16)
#define OBJ_ID                  MLX5_FIELD(0x40, 32)
#define OBJ_CONTEXT             0x10
#define OBJ_LENGTH              0x40
#define OBJ_PAGE_TRACK          0x46
#define TRACK_VHCA_ID           MLX5_FIELD(0x50, 16)
#define TRACK_STATE             MLX5_FIELD(0x80, 4)
#define TRACK_LOG_SPACE         MLX5_FIELD(0x88, 8)
#define TRACK_LOG_PAGE          MLX5_FIELD(0x93, 5)
#define TRACK_LOG_MSG           MLX5_FIELD(0x9b, 5)
#define TRACK_QPN               MLX5_FIELD(0xa8, 24)
#define TRACK_NUM_RANGES        MLX5_FIELD(0xd8, 8)
#define TRACK_REPORT_START      MLX5_FIELD(0x100, 64)
#define TRACK_REPORT_LENGTH     MLX5_FIELD(0x140, 64)
#define TRACK_RANGES            (OBJ_CONTEXT + 0x30)
#define TRACK_RANGE_SIZE        16

#define CREATE_MKEY_CONTEXT     0x10
#define CREATE_MKEY_OCTWORDS    MLX5_FIELD(0x300, 32)
#define CREATE_MKEY_MTT         0x110
#define MKC_MODE                MLX5_FIELD(0x16, 2)
#define MKC_LOCAL_WRITE         MLX5_FIELD(0x14, 1)
#define MKC_LOCAL_READ          MLX5_FIELD(0x15, 1)
#define MKC_KEY                 MLX5_FIELD(0x38, 8)
#define MKC_PD                  MLX5_FIELD(0x68, 24)
#define MKC_START               MLX5_FIELD(0x80, 64)
#define MKC_LENGTH              MLX5_FIELD(0xc0, 64)
#define MKC_LOG_PAGE            MLX5_FIELD(0x1da, 6)
#define MKC_MODE_MTT            1

/* Migration */
#define MIG_VHCA_ID             MLX5_FIELD(0x50, 16)
#define MIG_INCREMENTAL         MLX5_FIELD(0x40, 1)
#define MIG_QUERY_CHUNK         MLX5_FIELD(0x41, 1)
#define MIG_SAVE_TRACK          MLX5_FIELD(0x41, 1)
#define MIG_QUERY_STATE         MLX5_FIELD(0x60, 4)
#define MIG_QUERY_SIZE          MLX5_FIELD(0x80, 32)
#define MIG_QUERY_TOTAL         MLX5_FIELD(0xc0, 64)
#define MIG_VA                  MLX5_FIELD(0x80, 64)
#define MIG_MKEY                MLX5_FIELD(0xc0, 32)
#define MIG_SIZE                MLX5_FIELD(0xe0, 32)
#define MIG_ACTUAL_SIZE         MLX5_FIELD(0x40, 32)
#define MIG_NEXT_SIZE           MLX5_FIELD(0x60, 32)

#endif
