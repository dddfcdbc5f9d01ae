/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a queue, whose pages the driver lists when it creates the queue. */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

#define PAGE            4096
#define MAX_LOG_PAGE    16
#define MAX_SIZE        (16 * MiB)

/*
 * The addresses of pages of 4 KiB << @log_page are at @offset of the input. The
 * ring keeps them as pages of 4 KiB.
 */
uint8_t mlx5_ring_init(Mlx5Ring *ring, const Mlx5Cmd *cmd, uint32_t offset,
                       uint64_t size, uint32_t log_page)
{
    uint32_t pages = DIV_ROUND_UP(size, PAGE), i;

    if (size > MAX_SIZE || log_page > MAX_LOG_PAGE) {
        return STAT_BAD_PARAM;
    }
    if (cmd->in_len < offset + 8 * DIV_ROUND_UP(pages, 1u << log_page)) {
        return STAT_BAD_INP_LEN;
    }
    ring->pages = g_new(uint64_t, pages);
    for (i = 0; i < pages; i++) {
        ring->pages[i] = ldq_be_p(cmd->in + offset + 8 * (i >> log_page)) +
                         (i & ((1u << log_page) - 1)) * PAGE;
    }
    return STAT_OK;
}

uint64_t mlx5_ring_addr(const Mlx5Ring *ring, uint32_t at)
{
    return ring->pages[at / PAGE] + at % PAGE;
}

void mlx5_ring_free(Mlx5Ring *ring)
{
    g_clear_pointer(&ring->pages, g_free);
}
