/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pad: a device part that makes a VF's state as long as a test wants. A
 * seed and the offset determine its content, so nothing is stored, and the
 * receiver can check it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "virtio-net-parts.h"

#define CHUNK   (256 * KiB)

static uint64_t pad_word(uint32_t seed, size_t index)
{
    uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ull + seed;

    x *= 0xd6e8feb86659fd93ull;
    return x ^ x >> 32;
}

/* @off is a multiple of 8. */
static void pad_fill(uint32_t seed, size_t off, uint8_t *buf, size_t len)
{
    uint8_t last[8];
    size_t i;

    for (i = 0; i + 8 <= len; i += 8) {
        stq_le_p(buf + i, pad_word(seed, (off + i) / 8));
    }
    if (i < len) {
        stq_le_p(last, pad_word(seed, (off + i) / 8));
        memcpy(buf + i, last, len - i);
    }
}

size_t parts_pad_put(const PartsPad *pad, const struct iovec *iov,
                     unsigned niov, size_t off)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    size_t len = parts_pad_len(pad), done = 0, n, put;

    while (done < len) {
        n = MIN(len - done, CHUNK);
        pad_fill(pad->seed, done, buf, n);
        put = iov_from_buf(iov, niov, off + done, buf, n);
        done += put;
        if (put < n) {
            break;
        }
    }
    return done;
}

bool parts_pad_check(const PartsPad *pad, const uint8_t *val)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    size_t len = parts_pad_len(pad), done, n;

    for (done = 0; done < len; done += n) {
        n = MIN(len - done, CHUNK);
        pad_fill(pad->seed, done, buf, n);
        if (memcmp(val + done, buf, n)) {
            return false;
        }
    }
    return true;
}
