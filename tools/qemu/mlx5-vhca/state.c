/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a VF: the registers of its engine, and a pad that makes it as
 * long as a test wants. The pad is a row of blocks. Number and version determine
 * the content of a block, so only the version is stored, and the receiver can
 * check the content.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

uint64_t mlx5_state_blocks(const Mlx5State *s)
{
    return DIV_ROUND_UP(s->pad, MLX5_BLOCK);
}

uint32_t mlx5_state_block_len(const Mlx5State *s, uint64_t block)
{
    return MIN(s->pad - block * MLX5_BLOCK, MLX5_BLOCK);
}

void mlx5_state_init(Mlx5State *s, uint64_t pad)
{
    memset(s, 0, sizeof(*s));
    s->reg[ENGINE_ID / 8] = ENGINE_ID_VALUE;
    s->pad = pad;
    s->version = g_new0(uint32_t, mlx5_state_blocks(s));
}

void mlx5_state_free(Mlx5State *s)
{
    g_free(s->version);
    memset(s, 0, sizeof(*s));
}

static uint64_t word(uint64_t block, uint32_t version, unsigned i)
{
    uint64_t x = (block << 9 | i) * 0xbf58476d1ce4e5b9ull + version;

    x = (x ^ x >> 29) * 0x94d049bb133111ebull;
    return x ^ x >> 32;
}

/* @buf has room for a whole block. */
void mlx5_state_fill(uint64_t block, uint32_t version, uint8_t *buf)
{
    unsigned i;

    for (i = 0; i < MLX5_BLOCK / 8; i++) {
        stq_le_p(buf + 8 * i, word(block, version, i));
    }
}
