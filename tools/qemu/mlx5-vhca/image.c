/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images, as SAVE writes and LOAD reads them. The images of a session make up
 * one state: the first starts it, later ones add what changed or did not fit, and
 * the final one completes it. All is little-endian.
 *
 *   0x00  header: see below
 *   0x40  the engine's registers
 *   0x100 blocks of the pad: number, version and 8 zeros, then the content
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include "qemu/bitmap.h"
#include "qemu/cutils.h"
#include "mlx5-vhca.h"

#define HDR_MAGIC       0x00    /* 32 bits */
#define HDR_VERSION     0x04    /* 16 */
#define HDR_FLAGS       0x06    /* 16 */
#define HDR_TYPE        0x08    /* 32 */
#define HDR_SEQUENCE    0x0c    /* 32: 0 starts a session */
#define HDR_CHAIN       0x10    /* 32: checksum of the previous image, or 0 */
#define HDR_ZERO_1      0x14
#define HDR_PAD         0x18    /* 64 */
#define HDR_BLOCKS      0x20    /* 32 */
#define HDR_LENGTH      0x24    /* 32: of the whole image */
#define HDR_CHECKSUM    0x28    /* 32: CRC-32 of the image with this field zero */
#define HDR_ZERO_2      0x2c
#define HDR_SIZE        0x40

#define REGS_SIZE       (8 * ENGINE_REGS)
#define BLOCKS_AT       0x100
#define BLOCK_HDR       16

#define MAGIC           0x41434856u     /* "VHCA" */
#define VERSION         1
#define FINAL           1

QEMU_BUILD_BUG_ON(HDR_SIZE + REGS_SIZE != BLOCKS_AT);

static uint64_t whole(uint64_t blocks)
{
    return blocks * (BLOCK_HDR + MLX5_BLOCK);
}

/* Bytes of an image with @blocks blocks of the pad. */
uint64_t mlx5_image_size(uint64_t blocks)
{
    return BLOCKS_AT + whole(blocks);
}

/* Images are copied in pieces of this many blocks, to bound the memory used. */
#define PIECE_BLOCKS    64
#define PIECE_SIZE      (PIECE_BLOCKS * (BLOCK_HDR + MLX5_BLOCK))

/* CRC of the part before the blocks, with the checksum field zero. */
static uint32_t head_checksum(const uint8_t *head)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32(0, head, HDR_CHECKSUM);

    crc = crc32(crc, zero, sizeof(zero));
    return crc32(crc, head + HDR_ZERO_2, BLOCKS_AT - HDR_ZERO_2);
}

static bool io_rw(const Mlx5Io *io, uint32_t at, uint8_t *buf, uint32_t len,
                  bool write)
{
    const LabFault *fault = io->fault;

    if (write && fault && fault->corrupt_offset >= at &&
        fault->corrupt_offset - at < len) {
        buf[fault->corrupt_offset - at] ^= fault->corrupt_mask;
    }
    return mlx5_mkey_rw(io->pf, io->mkey, io->va + at, buf, len, write);
}

/* ---- out ---- */

static uint32_t write_block(Mlx5VF *vf, uint64_t block, uint8_t *p)
{
    uint32_t n = mlx5_state_block_len(&vf->s, block);
    uint8_t content[MLX5_BLOCK];

    stl_le_p(p, block);
    stl_le_p(p + 4, vf->s.version[block]);
    stq_le_p(p + 8, 0);
    mlx5_state_fill(block, vf->s.version[block], content);
    memcpy(p + BLOCK_HDR, content, n);
    clear_bit(block, vf->save.dirty);
    return BLOCK_HDR + n;
}

/* Bytes of an image with the first @blocks dirty blocks, of @total blocks. */
static uint32_t image_length(const Mlx5VF *vf, uint32_t blocks, uint64_t total)
{
    uint32_t len = BLOCKS_AT + whole(blocks);

    /* Only the last block is short, and it comes last. */
    if (blocks && find_last_bit(vf->save.dirty, total) == total - 1 &&
        blocks == bitmap_count_one(vf->save.dirty, total)) {
        len -= MLX5_BLOCK - mlx5_state_block_len(&vf->s, total - 1);
    }
    return len;
}

/*
 * Writes as many dirty blocks as fit in @room bytes. Returns the length of the
 * image, or 0 if it could not be written. The image is final if @stopped and no
 * dirty block is left.
 */
uint32_t mlx5_image_write(Mlx5VF *vf, const Mlx5Io *io, uint32_t room,
                          bool stopped)
{
    uint64_t total = mlx5_state_blocks(&vf->s), block = 0;
    uint64_t dirty = total ? bitmap_count_one(vf->save.dirty, total) : 0;
    uint32_t blocks = MIN(dirty, (room - BLOCKS_AT) / whole(1));
    g_autofree uint8_t *piece = g_malloc(PIECE_SIZE);
    uint32_t len = image_length(vf, blocks, total);
    uint32_t at, i, n, left = blocks;
    uint8_t head[BLOCKS_AT] = { 0 };

    stl_le_p(head + HDR_MAGIC, MAGIC);
    stw_le_p(head + HDR_VERSION, VERSION);
    stw_le_p(head + HDR_FLAGS, stopped && blocks == dirty ? FINAL : 0);
    stl_le_p(head + HDR_TYPE, MLX5_VHCA_TYPE);
    stl_le_p(head + HDR_SEQUENCE, vf->save.sequence++);
    stl_le_p(head + HDR_CHAIN, vf->save.chain);
    stq_le_p(head + HDR_PAD, vf->s.pad);
    stl_le_p(head + HDR_BLOCKS, blocks);
    stl_le_p(head + HDR_LENGTH, len);
    for (i = 0; i < ENGINE_REGS; i++) {
        stq_le_p(head + HDR_SIZE + 8 * i, vf->s.reg[i]);
    }
    vf->save.chain = head_checksum(head);
    for (at = BLOCKS_AT; left; at += n) {
        for (i = n = 0; i < PIECE_BLOCKS && left; i++, left--) {
            block = find_next_bit(vf->save.dirty, total, block);
            n += write_block(vf, block, piece + n);
        }
        vf->save.chain = crc32(vf->save.chain, piece, n);
        if (!io_rw(io, at, piece, n, true)) {
            return 0;
        }
    }
    stl_le_p(head + HDR_CHECKSUM, vf->save.chain);
    return io_rw(io, 0, head, BLOCKS_AT, true) ? len : 0;
}

/* ---- in ---- */

/* Checks the header fields that do not depend on the session. */
static uint32_t check_kind(const uint8_t *head, uint32_t len)
{
    if (ldl_le_p(head + HDR_LENGTH) != len) {
        return SYND_IMAGE_LENGTH;
    }
    if (ldl_le_p(head + HDR_MAGIC) != MAGIC ||
        lduw_le_p(head + HDR_VERSION) != VERSION) {
        return SYND_IMAGE_VERSION;
    }
    return ldl_le_p(head + HDR_TYPE) != MLX5_VHCA_TYPE ? SYND_IMAGE_TYPE : 0;
}

/* Reads the header and the registers. A first image replaces what was loaded. */
static uint32_t read_head(Mlx5Load *load, const uint8_t *head)
{
    uint32_t sequence = ldl_le_p(head + HDR_SEQUENCE);
    uint32_t chain = ldl_le_p(head + HDR_CHAIN);
    uint64_t pad = ldq_le_p(head + HDR_PAD);
    unsigned i;

    if (ldl_le_p(head + HDR_ZERO_1) ||
        !buffer_is_zero(head + HDR_ZERO_2, HDR_SIZE - HDR_ZERO_2) ||
        lduw_le_p(head + HDR_FLAGS) & ~FINAL || pad > MLX5_MAX_PAD) {
        return SYND_IMAGE_CONTENT;
    }
    if (!sequence && !chain) {
        mlx5_load_drop(load);
        mlx5_state_init(&load->s, pad);
        load->have = bitmap_new(MAX(mlx5_state_blocks(&load->s), 1));
        load->phase = LOAD_PART;
    } else if (load->phase != LOAD_PART || sequence != load->sequence + 1 ||
               chain != load->chain || pad != load->s.pad) {
        return SYND_IMAGE_ORDER;
    }
    load->sequence = sequence;
    load->chain = ldl_le_p(head + HDR_CHECKSUM);
    for (i = 0; i < ENGINE_REGS; i++) {
        load->s.reg[i] = ldq_le_p(head + HDR_SIZE + 8 * i);
    }
    return mlx5_engine_valid(load->s.reg) ? 0 : SYND_IMAGE_CONTENT;
}

static uint32_t read_block(Mlx5Load *load, const uint8_t **p,
                           const uint8_t *end)
{
    uint8_t content[MLX5_BLOCK];
    uint32_t block, version, n;

    if (end - *p < BLOCK_HDR) {
        return SYND_IMAGE_LENGTH;
    }
    block = ldl_le_p(*p);
    version = ldl_le_p(*p + 4);
    if (block >= mlx5_state_blocks(&load->s) || ldq_le_p(*p + 8)) {
        return SYND_IMAGE_CONTENT;
    }
    n = mlx5_state_block_len(&load->s, block);
    *p += BLOCK_HDR;
    if (end - *p < n) {
        return SYND_IMAGE_LENGTH;
    }
    mlx5_state_fill(block, version, content);
    if (memcmp(content, *p, n)) {
        return SYND_IMAGE_CONTENT;
    }
    *p += n;
    load->s.version[block] = version;
    set_bit(block, load->have);
    return 0;
}

static uint32_t read_end(Mlx5Load *load, const uint8_t *head)
{
    uint64_t total = mlx5_state_blocks(&load->s);

    if (!(lduw_le_p(head + HDR_FLAGS) & FINAL)) {
        return 0;
    }
    if (total && !bitmap_full(load->have, total)) {
        return SYND_IMAGE_CONTENT;
    }
    load->phase = LOAD_WHOLE;
    return 0;
}

/*
 * Adds the image to the loaded state. After an error, that state is unusable. A
 * wrong checksum is known only at the end, but takes precedence over other
 * errors.
 */
uint32_t mlx5_image_read(Mlx5Load *load, const Mlx5Io *io, uint32_t len)
{
    uint32_t at, n, crc, wrong, blocks = 0;
    g_autofree uint8_t *piece = NULL;
    uint8_t head[BLOCKS_AT];

    if (len < BLOCKS_AT) {
        return SYND_IMAGE_LENGTH;
    }
    if (!io_rw(io, 0, head, BLOCKS_AT, false)) {
        return SYND_DMA;
    }
    wrong = check_kind(head, len);
    if (wrong) {
        return wrong;
    }
    wrong = read_head(load, head);
    crc = head_checksum(head);
    piece = g_malloc(PIECE_SIZE);
    for (at = BLOCKS_AT; at < len; at += n) {
        const uint8_t *p = piece;

        n = MIN(len - at, PIECE_SIZE);
        if (!io_rw(io, at, piece, n, false)) {
            return SYND_DMA;
        }
        crc = crc32(crc, piece, n);
        while (!wrong && p < piece + n) {
            wrong = read_block(load, &p, piece + n);
            blocks++;
        }
    }
    if (ldl_le_p(head + HDR_CHECKSUM) != crc) {
        return SYND_IMAGE_CHECKSUM;
    }
    if (!wrong && ldl_le_p(head + HDR_BLOCKS) != blocks) {
        wrong = SYND_IMAGE_LENGTH;
    }
    return wrong ?: read_end(load, head);
}

void mlx5_load_drop(Mlx5Load *load)
{
    mlx5_state_free(&load->s);
    g_free(load->have);
    memset(load, 0, sizeof(*load));
}
