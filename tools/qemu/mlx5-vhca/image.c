/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images, as SAVE writes and LOAD reads them. The images of one session make
 * up a state: the first begins it, further ones bring what changed or what had
 * no room, the final one says that nothing is missing. All is little-endian.
 *
 *   0x00  header: see below
 *   0x40  the engine's registers
 *   0x100 blocks of the pad: number, version and 8 zeros, then the content
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/crc32c.h"
#include "qemu/cutils.h"
#include "mlx5-vhca.h"

#define HDR_MAGIC       0x00    /* 32 bits */
#define HDR_VERSION     0x04    /* 16 */
#define HDR_FLAGS       0x06    /* 16 */
#define HDR_TYPE        0x08    /* 32 */
#define HDR_SEQUENCE    0x0c    /* 32: 0 begins a session */
#define HDR_CHAIN       0x10    /* 32: checksum of the image before, or 0 */
#define HDR_ZERO_1      0x14
#define HDR_PAD         0x18    /* 64 */
#define HDR_BLOCKS      0x20    /* 32 */
#define HDR_LENGTH      0x24    /* 32: of the whole image */
#define HDR_CHECKSUM    0x28    /* 32: CRC-32C of all, with this as zero */
#define HDR_ZERO_2      0x2c
#define HDR_SIZE        0x40

#define REGS_SIZE       (8 * ENGINE_REGS)
#define BLOCKS_AT       0x100
#define BLOCK_HDR       16

#define MAGIC           0x41434856u     /* "VHCA" */
#define VERSION         1
#define FINAL           1

QEMU_BUILD_BUG_ON(HDR_SIZE + REGS_SIZE != BLOCKS_AT);

/* Of an image with so many blocks of the pad. */
uint64_t mlx5_image_size(uint64_t blocks)
{
    return BLOCKS_AT + blocks * (BLOCK_HDR + MLX5_BLOCK);
}

static uint32_t checksum(const uint8_t *image, uint32_t len)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0xffffffff, image, HDR_CHECKSUM) ^ 0xffffffff;

    crc = crc32c(crc, zero, sizeof(zero)) ^ 0xffffffff;
    return crc32c(crc, image + HDR_ZERO_2, len - HDR_ZERO_2);
}

/*
 * Takes of the dirty blocks what has room in @len bytes, and returns how long
 * the image is; it is the final one if @stopped and nothing is left.
 */
uint32_t mlx5_image_write(Mlx5VF *vf, uint8_t *image, uint32_t len,
                          bool stopped)
{
    uint64_t total = mlx5_state_blocks(&vf->s), block;
    uint8_t *p = image + BLOCKS_AT;
    uint32_t blocks = 0;
    unsigned i;

    memset(image, 0, BLOCKS_AT);
    for (i = 0; i < ENGINE_REGS; i++) {
        stq_le_p(image + HDR_SIZE + 8 * i, vf->s.reg[i]);
    }
    for (block = find_first_bit(vf->save.dirty, total); block < total;
         block = find_next_bit(vf->save.dirty, total, block + 1)) {
        uint8_t content[MLX5_BLOCK];
        uint32_t n = mlx5_state_block_len(&vf->s, block);

        if (p + BLOCK_HDR + n > image + len) {
            break;
        }
        stl_le_p(p, block);
        stl_le_p(p + 4, vf->s.version[block]);
        stq_le_p(p + 8, 0);
        mlx5_state_fill(block, vf->s.version[block], content);
        memcpy(p + BLOCK_HDR, content, n);
        p += BLOCK_HDR + n;
        blocks++;
        clear_bit(block, vf->save.dirty);
    }
    len = p - image;
    stl_le_p(image + HDR_MAGIC, MAGIC);
    stw_le_p(image + HDR_VERSION, VERSION);
    stw_le_p(image + HDR_FLAGS, stopped && block >= total ? FINAL : 0);
    stl_le_p(image + HDR_TYPE, MLX5_VHCA_TYPE);
    stl_le_p(image + HDR_SEQUENCE, vf->save.sequence++);
    stl_le_p(image + HDR_CHAIN, vf->save.chain);
    stq_le_p(image + HDR_PAD, vf->s.pad);
    stl_le_p(image + HDR_BLOCKS, blocks);
    stl_le_p(image + HDR_LENGTH, len);
    vf->save.chain = checksum(image, len);
    stl_le_p(image + HDR_CHECKSUM, vf->save.chain);
    return len;
}

/* What is wrong with the header itself. */
static uint32_t check_header(const uint8_t *image, uint32_t len)
{
    if (len < BLOCKS_AT || ldl_le_p(image + HDR_LENGTH) != len) {
        return SYND_IMAGE_LENGTH;
    }
    if (ldl_le_p(image + HDR_MAGIC) != MAGIC ||
        lduw_le_p(image + HDR_VERSION) != VERSION) {
        return SYND_IMAGE_VERSION;
    }
    if (ldl_le_p(image + HDR_TYPE) != MLX5_VHCA_TYPE) {
        return SYND_IMAGE_TYPE;
    }
    if (ldl_le_p(image + HDR_CHECKSUM) != checksum(image, len)) {
        return SYND_IMAGE_CHECKSUM;
    }
    if (ldl_le_p(image + HDR_ZERO_1) ||
        !buffer_is_zero(image + HDR_ZERO_2, HDR_SIZE - HDR_ZERO_2) ||
        lduw_le_p(image + HDR_FLAGS) & ~FINAL ||
        ldq_le_p(image + HDR_PAD) > MLX5_MAX_PAD) {
        return SYND_IMAGE_CONTENT;
    }
    return 0;
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

/* Adds the image to what was loaded, or says what is wrong with it. */
uint32_t mlx5_image_read(Mlx5Load *load, const uint8_t *image, uint32_t len)
{
    uint32_t wrong = check_header(image, len), sequence, chain, blocks, i;
    const uint8_t *p = image + BLOCKS_AT;
    uint64_t pad;

    if (wrong) {
        return wrong;
    }
    sequence = ldl_le_p(image + HDR_SEQUENCE);
    chain = ldl_le_p(image + HDR_CHAIN);
    pad = ldq_le_p(image + HDR_PAD);
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
    load->chain = ldl_le_p(image + HDR_CHECKSUM);
    for (i = 0; i < ENGINE_REGS; i++) {
        load->s.reg[i] = ldq_le_p(image + HDR_SIZE + 8 * i);
    }
    if (!mlx5_engine_valid(load->s.reg)) {
        return SYND_IMAGE_CONTENT;
    }
    blocks = ldl_le_p(image + HDR_BLOCKS);
    for (i = 0; i < blocks && !wrong; i++) {
        wrong = read_block(load, &p, image + len);
    }
    if (!wrong && p != image + len) {
        wrong = SYND_IMAGE_LENGTH;
    }
    if (!wrong && lduw_le_p(image + HDR_FLAGS) & FINAL) {
        uint64_t total = mlx5_state_blocks(&load->s);

        if (total && !bitmap_full(load->have, total)) {
            return SYND_IMAGE_CONTENT;
        }
        load->phase = LOAD_WHOLE;
    }
    return wrong;
}

void mlx5_load_drop(Mlx5Load *load)
{
    mlx5_state_free(&load->s);
    g_free(load->have);
    memset(load, 0, sizeof(*load));
}
