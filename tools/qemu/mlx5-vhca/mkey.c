/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protection domains and memory keys. A key lists the pages of a buffer in the
 * host's memory; SAVE and LOAD access them with DMA by the PF.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

#define MIN_LOG_PAGE    12
#define MAX_LOG_PAGE    31
#define MAX_LENGTH      (4 * GiB)
#define OBJECTS_MASK    0xffffff

typedef struct Mlx5Key {
    uint32_t pd;
    uint8_t key;
    bool readable;
    bool writable;
    uint8_t log_page;
    uint64_t start;
    uint64_t length;
    uint64_t *pages;
} Mlx5Key;

static void key_free(gpointer data)
{
    Mlx5Key *key = data;

    g_free(key->pages);
    g_free(key);
}

void mlx5_mkey_init(Mlx5PF *pf)
{
    pf->pds = g_hash_table_new(NULL, NULL);
    pf->keys = g_hash_table_new_full(NULL, NULL, NULL, key_free);
}

void mlx5_mkey_reset(Mlx5PF *pf)
{
    g_hash_table_remove_all(pf->pds);
    g_hash_table_remove_all(pf->keys);
}

void mlx5_mkey_exit(Mlx5PF *pf)
{
    g_clear_pointer(&pf->pds, g_hash_table_destroy);
    g_clear_pointer(&pf->keys, g_hash_table_destroy);
}

unsigned mlx5_mkey_count(Mlx5PF *pf)
{
    return g_hash_table_size(pf->pds) + g_hash_table_size(pf->keys);
}

/* An unused number. Numbers are reused late, so that stale ones are noticed. */
uint32_t mlx5_new_number(Mlx5PF *pf, GHashTable *used)
{
    do {
        pf->last_object = (pf->last_object + 1) & OBJECTS_MASK;
    } while (!pf->last_object ||
             g_hash_table_contains(used, GUINT_TO_POINTER(pf->last_object)));
    return pf->last_object;
}

static uint8_t alloc_pd(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    uint32_t pd = mlx5_new_number(pf, pf->pds);

    g_hash_table_add(pf->pds, GUINT_TO_POINTER(pd));
    mlx5_set(cmd->out, CMD_OBJECT, pd);
    return STAT_OK;
}

static gboolean key_is_of(gpointer number, gpointer data, gpointer pd)
{
    return ((Mlx5Key *)data)->pd == GPOINTER_TO_UINT(pd);
}

static uint8_t dealloc_pd(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    gpointer pd = GUINT_TO_POINTER(mlx5_get(cmd->in, CMD_OBJECT));

    if (!g_hash_table_contains(pf->pds, pd)) {
        return STAT_BAD_RES;
    }
    if (g_hash_table_find(pf->keys, key_is_of, pd)) {
        return STAT_RES_BUSY;
    }
    g_hash_table_remove(pf->pds, pd);
    return STAT_OK;
}

static uint8_t create_mkey(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *mkc = cmd->in + CREATE_MKEY_CONTEXT;
    uint32_t pd = mlx5_get(mkc, MKC_PD);
    uint64_t length = mlx5_get(mkc, MKC_LENGTH), pages, i;
    uint32_t log_page = mlx5_get(mkc, MKC_LOG_PAGE), number;
    Mlx5Key *key;

    if (mlx5_get(mkc, MKC_MODE) != MKC_MODE_MTT || log_page < MIN_LOG_PAGE ||
        log_page > MAX_LOG_PAGE || !length || length > MAX_LENGTH) {
        return STAT_BAD_PARAM;
    }
    if (!g_hash_table_contains(pf->pds, GUINT_TO_POINTER(pd))) {
        return STAT_BAD_RES;
    }
    pages = DIV_ROUND_UP(length, 1ull << log_page);
    /* An octword has the addresses of two pages. */
    if (mlx5_get(cmd->in, CREATE_MKEY_OCTWORDS) < DIV_ROUND_UP(pages, 2)) {
        return STAT_BAD_PARAM;
    }
    if (cmd->in_len < CREATE_MKEY_MTT + 8 * pages) {
        return STAT_BAD_INP_LEN;
    }
    key = g_new0(Mlx5Key, 1);
    key->pd = pd;
    key->key = mlx5_get(mkc, MKC_KEY);
    key->readable = mlx5_get(mkc, MKC_LOCAL_READ);
    key->writable = mlx5_get(mkc, MKC_LOCAL_WRITE);
    key->log_page = log_page;
    key->start = mlx5_get(mkc, MKC_START);
    key->length = length;
    key->pages = g_new(uint64_t, pages);
    for (i = 0; i < pages; i++) {
        key->pages[i] = ldq_be_p(cmd->in + CREATE_MKEY_MTT + 8 * i) &
                        -(1ull << log_page);
    }
    number = mlx5_new_number(pf, pf->keys);
    g_hash_table_insert(pf->keys, GUINT_TO_POINTER(number), key);
    mlx5_set(cmd->out, CMD_OBJECT, number);
    return STAT_OK;
}

static uint8_t destroy_mkey(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    gpointer number = GUINT_TO_POINTER(mlx5_get(cmd->in, CMD_OBJECT));

    return g_hash_table_remove(pf->keys, number) ? STAT_OK : STAT_BAD_RES;
}

/* The key with the number @mkey, if it allows this access. */
static const Mlx5Key *find_key(Mlx5PF *pf, uint32_t mkey, uint64_t va,
                               uint64_t len, bool write)
{
    const Mlx5Key *key = g_hash_table_lookup(pf->keys,
                                             GUINT_TO_POINTER(mkey >> 8));

    if (!key || key->key != (mkey & 0xff) || va < key->start ||
        va - key->start > key->length ||
        len > key->length - (va - key->start)) {
        return NULL;
    }
    return (write ? key->writable : key->readable) ? key : NULL;
}

bool mlx5_mkey_allows(Mlx5PF *pf, uint32_t mkey, uint64_t va, uint64_t len,
                      bool write)
{
    return find_key(pf, mkey, va, len, write);
}

bool mlx5_mkey_rw(Mlx5PF *pf, uint32_t mkey, uint64_t va, void *buf,
                  uint64_t len, bool write)
{
    const Mlx5Key *key = find_key(pf, mkey, va, len, write);
    uint64_t page, off, n, done;

    if (!key) {
        return false;
    }
    va -= key->start;
    for (done = 0; done < len; done += n) {
        uint64_t page_size = 1ull << key->log_page;
        uint64_t first, at = va + done;

        first = page = at >> key->log_page;
        off = at & (page_size - 1);
        n = page_size - off;
        /* Adjacent pages are accessed at once. */
        while (n < len - done &&
               key->pages[page + 1] == key->pages[page] + page_size) {
            n += page_size;
            page++;
        }
        n = MIN(n, len - done);
        if (pci_dma_rw(PCI_DEVICE(pf), key->pages[first] + off,
                       (uint8_t *)buf + done, n,
                       write ? DMA_DIRECTION_FROM_DEVICE
                             : DMA_DIRECTION_TO_DEVICE,
                       MEMTXATTRS_UNSPECIFIED) != MEMTX_OK) {
            return false;
        }
    }
    return true;
}

const Mlx5Op mlx5_mkey_ops[] = {
    { OP_ALLOC_PD,     16, 16, alloc_pd },
    { OP_DEALLOC_PD,   16, 8,  dealloc_pd },
    { OP_CREATE_MKEY,  CREATE_MKEY_MTT, 16, create_mkey },
    { OP_DESTROY_MKEY, 16, 8,  destroy_mkey },
    { }
};
