/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capabilities and resource objects. There is one kind of each, for device
 * parts. An object has one member and one direction.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "admin.h"

#define CAP_DEV_PARTS   0
#define OBJ_DEV_PARTS   0

static void put(AdminCmd *cmd, const void *data, size_t len)
{
    g_byte_array_append(cmd->result, data, len);
}

/* ---- capabilities ---- */

AdminResult admin_cap_id_list(AdminCmd *cmd)
{
    uint8_t ids[8];

    stq_le_p(ids, 1ull << CAP_DEV_PARTS);
    put(cmd, ids, sizeof(ids));
    return ADMIN_OK;
}

AdminResult admin_cap_get(AdminCmd *cmd)
{
    const uint8_t limits[2] = { PARTS_OBJ_LIMIT, PARTS_OBJ_LIMIT };

    if (lduw_le_p(cmd->data) != CAP_DEV_PARTS) {
        return ADMIN_NO_OBJECT;
    }
    put(cmd, limits, sizeof(limits));
    return ADMIN_OK;
}

static unsigned count_objs(const PartsAdmin *admin, uint8_t type)
{
    unsigned i, count = 0;

    for (i = 0; i < PARTS_MAX_OBJS; i++) {
        count += admin->objs[i].member && admin->objs[i].type == type;
    }
    return count;
}

unsigned parts_admin_count_objs(const PartsPF *pf)
{
    return count_objs(&pf->admin, OBJ_TYPE_GET) +
           count_objs(&pf->admin, OBJ_TYPE_SET);
}

/* One past the highest id in use. */
static unsigned highest_id(const PartsAdmin *admin)
{
    unsigned i = PARTS_MAX_OBJS;

    while (i && !admin->objs[i - 1].member) {
        i--;
    }
    return i;
}

/* Ids are below the sum of both limits, as no two objects share an id. */
AdminResult admin_cap_set(AdminCmd *cmd)
{
    PartsAdmin *admin = &cmd->pf->admin;
    const uint8_t *limit = cmd->data + 8;

    if (lduw_le_p(cmd->data) != CAP_DEV_PARTS) {
        return ADMIN_NO_OBJECT;
    }
    /* A u8 cannot exceed the 255 that the device offers. */
    if (limit[OBJ_TYPE_GET] < count_objs(admin, OBJ_TYPE_GET) ||
        limit[OBJ_TYPE_SET] < count_objs(admin, OBJ_TYPE_SET) ||
        limit[OBJ_TYPE_GET] + limit[OBJ_TYPE_SET] < highest_id(admin)) {
        return ADMIN_BUSY;
    }
    memcpy(admin->limit, limit, sizeof(admin->limit));
    return ADMIN_OK;
}

/* ---- objects ---- */

PartsObject *admin_find_obj(AdminCmd *cmd)
{
    uint32_t id = ldl_le_p(cmd->data + 4);
    PartsObject *obj = &cmd->pf->admin.objs[id % PARTS_MAX_OBJS];

    if (lduw_le_p(cmd->data) != OBJ_DEV_PARTS || id >= PARTS_MAX_OBJS ||
        obj->member != cmd->vf->id) {
        return NULL;
    }
    return obj;
}

/* The flags (none is defined) and the direction follow the header. */
static bool obj_attrs(const AdminCmd *cmd, uint8_t *type)
{
    *type = cmd->data[OBJ_HDR_SIZE + 8];
    return !ldq_le_p(cmd->data + OBJ_HDR_SIZE) && *type <= OBJ_TYPE_SET;
}

AdminResult admin_obj_create(AdminCmd *cmd)
{
    PartsAdmin *admin = &cmd->pf->admin;
    uint32_t id = ldl_le_p(cmd->data + 4);
    uint8_t type;

    if (lduw_le_p(cmd->data) != OBJ_DEV_PARTS || !obj_attrs(cmd, &type) ||
        id >= admin->limit[OBJ_TYPE_GET] + admin->limit[OBJ_TYPE_SET]) {
        return ADMIN_BAD_FIELD;
    }
    if (admin->objs[id].member) {
        return ADMIN_EXISTS;
    }
    if (count_objs(admin, type) >= admin->limit[type]) {
        return ADMIN_NO_SPACE;
    }
    admin->objs[id] = (PartsObject) { .member = cmd->vf->id, .type = type };
    return ADMIN_OK;
}

AdminResult admin_obj_modify(AdminCmd *cmd)
{
    PartsAdmin *admin = &cmd->pf->admin;
    PartsObject *obj = admin_find_obj(cmd);
    uint8_t type;

    if (!obj) {
        return ADMIN_NO_OBJECT;
    }
    if (!obj_attrs(cmd, &type)) {
        return ADMIN_BAD_FIELD;
    }
    if (type != obj->type && count_objs(admin, type) >= admin->limit[type]) {
        return ADMIN_NO_SPACE;
    }
    obj->type = type;
    return ADMIN_OK;
}

AdminResult admin_obj_query(AdminCmd *cmd)
{
    PartsObject *obj = admin_find_obj(cmd);
    uint8_t attrs[8] = { 0 };

    if (!obj) {
        return ADMIN_NO_OBJECT;
    }
    if (ldq_le_p(cmd->data + OBJ_HDR_SIZE)) {
        return ADMIN_BAD_FIELD;
    }
    attrs[0] = obj->type;
    put(cmd, attrs, sizeof(attrs));
    return ADMIN_OK;
}

AdminResult admin_obj_destroy(AdminCmd *cmd)
{
    PartsObject *obj = admin_find_obj(cmd);

    if (!obj) {
        return ADMIN_NO_OBJECT;
    }
    obj->member = 0;
    return ADMIN_OK;
}

void parts_admin_forget_member(PartsPF *pf, unsigned id)
{
    unsigned i;

    for (i = 0; i < PARTS_MAX_OBJS; i++) {
        if (pf->admin.objs[i].member == id) {
            pf->admin.objs[i].member = 0;
        }
    }
}
