/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page tracker: an object that records which pages of some ranges a VF wrote
 * to. To report a range, it sends the addresses of these pages through a queue
 * pair and clears them. The upper bits of a message's immediate say whether more
 * follow.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

#define ENTRY_SIZE      8

enum { TRACKING, REPORTING, ERROR };

typedef struct TrackRange {
    uint64_t start;
    uint64_t length;
} TrackRange;

typedef struct Mlx5Tracker {
    uint32_t id;
    Mlx5VF *vf;
    uint32_t qpn;
    uint32_t log_page;
    uint32_t log_msg;
    unsigned state;
    TrackRange ranges[MLX5_TRACK_RANGES];
    unsigned nranges;
    GHashTable *dirty;          /* page numbers */
    GArray *report;             /* addresses still to send */
} Mlx5Tracker;

static void tracker_free(gpointer data)
{
    Mlx5Tracker *t = data;

    g_hash_table_destroy(t->dirty);
    g_array_free(t->report, true);
    g_free(t);
}

void mlx5_track_init(Mlx5PF *pf)
{
    pf->trackers = g_hash_table_new_full(NULL, NULL, NULL, tracker_free);
}

void mlx5_track_reset(Mlx5PF *pf)
{
    g_hash_table_remove_all(pf->trackers);
}

void mlx5_track_exit(Mlx5PF *pf)
{
    g_clear_pointer(&pf->trackers, g_hash_table_destroy);
}

bool mlx5_track_uses_qp(Mlx5PF *pf, uint32_t number)
{
    GHashTableIter iter;
    gpointer t;

    g_hash_table_iter_init(&iter, pf->trackers);
    while (g_hash_table_iter_next(&iter, NULL, &t)) {
        if (((Mlx5Tracker *)t)->qpn == number) {
            return true;
        }
    }
    return false;
}

/* ---- what was written ---- */

static void fail(Mlx5PF *pf, Mlx5Tracker *t)
{
    uint8_t data[28] = { 0 };

    t->state = ERROR;
    stw_be_p(data + 2, OBJ_PAGE_TRACK);
    stl_be_p(data + 4, t->id);
    mlx5_event(pf, EVENT_OBJECT_CHANGE, data);
}

static void note_page(Mlx5PF *pf, Mlx5Tracker *t, uint64_t page)
{
    if (t->state != ERROR &&
        g_hash_table_add(t->dirty, (gpointer)(uintptr_t)page) &&
        pf->track_pages &&
        g_hash_table_size(t->dirty) > pf->track_pages) {
        fail(pf, t);
    }
}

static void note(Mlx5PF *pf, Mlx5Tracker *t, uint64_t addr, uint32_t len)
{
    uint64_t page, first, last;
    unsigned i;

    for (i = 0; i < t->nranges; i++) {
        const TrackRange *r = &t->ranges[i];

        if (addr + len - 1 < r->start || addr > r->start + r->length - 1) {
            continue;
        }
        first = MAX(addr, r->start) >> t->log_page;
        last = MIN(addr + len - 1, r->start + r->length - 1) >> t->log_page;
        for (page = first; page <= last; page++) {
            note_page(pf, t, page);
        }
    }
}

/* The VF wrote @len bytes, at least one. */
void mlx5_track_write(Mlx5VF *vf, uint64_t addr, uint32_t len)
{
    GHashTableIter iter;
    gpointer t;

    g_hash_table_iter_init(&iter, vf->pf->trackers);
    while (g_hash_table_iter_next(&iter, NULL, &t)) {
        if (((Mlx5Tracker *)t)->vf == vf) {
            note(vf->pf, t, addr, len);
        }
    }
}

/* ---- reports ---- */

/* Sends as much as the driver's buffers can take. */
static void send_report(Mlx5PF *pf, Mlx5Tracker *t)
{
    uint32_t most = (1u << t->log_msg) / ENTRY_SIZE;

    while (t->state == REPORTING) {
        uint32_t n = MIN(t->report->len, most), i;
        g_autofree uint8_t *buf = g_malloc(n * ENTRY_SIZE + 1);
        unsigned next = n == t->report->len ? TRACKING : REPORTING;

        for (i = 0; i < n; i++) {
            stq_be_p(buf + i * ENTRY_SIZE,
                     g_array_index(t->report, uint64_t, i));
        }
        if (!mlx5_qp_send(pf, t->qpn, buf, n * ENTRY_SIZE, next << 28)) {
            return;
        }
        if (n) {
            g_array_remove_range(t->report, 0, n);
        }
        t->state = next;
    }
}

/* Continues reports, as the driver may have posted buffers. */
void mlx5_track_go_on(Mlx5PF *pf)
{
    GHashTableIter iter;
    gpointer t;

    g_hash_table_iter_init(&iter, pf->trackers);
    while (g_hash_table_iter_next(&iter, NULL, &t)) {
        send_report(pf, t);
    }
}

typedef struct Wanted {
    Mlx5Tracker *t;
    uint64_t first;
    uint64_t last;
} Wanted;

static gboolean take_page(gpointer key, gpointer value, gpointer opaque)
{
    Wanted *w = opaque;
    uint64_t page = (uintptr_t)key, addr = page << w->t->log_page;

    if (page < w->first || page > w->last) {
        return false;
    }
    g_array_append_val(w->t->report, addr);
    return true;
}

/* ---- objects ---- */

static Mlx5Tracker *named(Mlx5PF *pf, const Mlx5Cmd *cmd)
{
    if (mlx5_get(cmd->in, OBJ_TYPE) != OBJ_PAGE_TRACK) {
        return NULL;
    }
    return g_hash_table_lookup(pf->trackers, GUINT_TO_POINTER(
                                                 mlx5_get(cmd->in, OBJ_ID)));
}

static bool between(uint32_t val, uint32_t min, uint32_t max)
{
    return val >= min && val <= max;
}

static uint8_t create_object(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *ctx = cmd->in + OBJ_CONTEXT;
    unsigned vhca_id = mlx5_get(ctx, TRACK_VHCA_ID), i;
    Mlx5VF *vf = vhca_id ? mlx5_vf(pf, vhca_id - MLX5_VHCA_ID(0)) : NULL;
    uint32_t nranges = mlx5_get(ctx, TRACK_NUM_RANGES);
    uint32_t log_page = mlx5_get(ctx, TRACK_LOG_PAGE);
    uint32_t log_msg = mlx5_get(ctx, TRACK_LOG_MSG);
    uint32_t qpn = mlx5_get(ctx, TRACK_QPN);
    Mlx5Tracker *t;

    if (!(pf->features & LAB_CAN_TRACK) ||
        mlx5_get(cmd->in, OBJ_TYPE) != OBJ_PAGE_TRACK || !vf || !vf->enabled ||
        !between(nranges, 1, MLX5_TRACK_RANGES) ||
        !between(log_page, MLX5_TRACK_MIN_PAGE, MLX5_TRACK_MAX_PAGE) ||
        !between(log_msg, MLX5_TRACK_MIN_MSG, MLX5_TRACK_MAX_MSG) ||
        !between(mlx5_get(ctx, TRACK_LOG_SPACE), MLX5_TRACK_MIN_SPACE,
                 pf->track_space)) {
        return STAT_BAD_PARAM;
    }
    if (cmd->in_len < TRACK_RANGES + nranges * TRACK_RANGE_SIZE) {
        return STAT_BAD_INP_LEN;
    }
    if (!mlx5_qp_sends(pf, qpn)) {
        return STAT_BAD_QP_STATE;
    }
    if (g_hash_table_size(pf->trackers) >= 1u << MLX5_TRACK_LOG_NUM) {
        return STAT_LIM;
    }
    for (i = 0; i < nranges; i++) {
        if (!ldq_be_p(cmd->in + TRACK_RANGES + i * TRACK_RANGE_SIZE + 8)) {
            return STAT_BAD_PARAM;
        }
    }
    t = g_new0(Mlx5Tracker, 1);
    t->id = mlx5_new_number(pf, pf->trackers);
    t->vf = vf;
    t->qpn = qpn;
    t->log_page = log_page;
    t->log_msg = log_msg;
    t->nranges = nranges;
    t->dirty = g_hash_table_new(NULL, NULL);
    t->report = g_array_new(false, false, sizeof(uint64_t));
    for (i = 0; i < nranges; i++) {
        const uint8_t *p = cmd->in + TRACK_RANGES + i * TRACK_RANGE_SIZE;

        t->ranges[i] = (TrackRange) { ldq_be_p(p), ldq_be_p(p + 8) };
    }
    g_hash_table_insert(pf->trackers, GUINT_TO_POINTER(t->id), t);
    mlx5_set(cmd->out, OBJ_ID, t->id);
    return STAT_OK;
}

static uint8_t modify_object(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *ctx = cmd->in + OBJ_CONTEXT;
    Mlx5Tracker *t = named(pf, cmd);
    uint64_t start = mlx5_get(ctx, TRACK_REPORT_START);
    uint64_t length = mlx5_get(ctx, TRACK_REPORT_LENGTH);
    Wanted wanted;

    if (!t) {
        return STAT_BAD_RES;
    }
    if (t->state != TRACKING) {
        return STAT_BAD_RES_STATE;
    }
    if (mlx5_get(ctx, TRACK_STATE) != REPORTING || !length ||
        start + length - 1 < start) {
        return STAT_BAD_PARAM;
    }
    wanted = (Wanted) { t, start >> t->log_page,
                        (start + length - 1) >> t->log_page };
    g_hash_table_foreach_remove(t->dirty, take_page, &wanted);
    t->state = REPORTING;
    send_report(pf, t);
    return STAT_OK;
}

static uint8_t query_object(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    Mlx5Tracker *t = named(pf, cmd);

    if (!t) {
        return STAT_BAD_RES;
    }
    mlx5_set(cmd->out + OBJ_CONTEXT, TRACK_STATE, t->state);
    return STAT_OK;
}

static uint8_t destroy_object(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    Mlx5Tracker *t = named(pf, cmd);

    if (!t) {
        return STAT_BAD_RES;
    }
    g_hash_table_remove(pf->trackers, GUINT_TO_POINTER(t->id));
    return STAT_OK;
}

const Mlx5Op mlx5_track_ops[] = {
    { OP_CREATE_OBJECT,  OBJ_LENGTH, 16, create_object },
    { OP_MODIFY_OBJECT,  OBJ_LENGTH, 16, modify_object },
    { OP_QUERY_OBJECT,   16, OBJ_LENGTH, query_object },
    { OP_DESTROY_OBJECT, 16, 16, destroy_object },
    { }
};
