/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of the administration virtqueue. */
#ifndef HW_NET_VIRTIO_NET_PARTS_ADMIN_H
#define HW_NET_VIRTIO_NET_PARTS_ADMIN_H

#include "../lab/lab.h"
#include "virtio-net-parts.h"

/* status in the low half, status_qualifier in the high half */
typedef uint32_t AdminResult;

#define ADMIN_RESULT(status, qualifier) ((status) | (uint32_t)(qualifier) << 16)

enum {
    ADMIN_ST_ENXIO = 6,
    ADMIN_ST_ENOMEM = 12,
    ADMIN_ST_EBUSY = 16,
    ADMIN_ST_EEXIST = 17,
    ADMIN_ST_EINVAL = 22,
    ADMIN_ST_ENOSPC = 28,
};

enum {
    ADMIN_Q_COMMAND = 1,
    ADMIN_Q_OPCODE = 2,
    ADMIN_Q_FIELD = 3,
    ADMIN_Q_GROUP = 4,
    ADMIN_Q_MEMBER = 5,
    ADMIN_Q_NORESOURCE = 6,
};

#define ADMIN_OK            0
#define ADMIN_BAD_COMMAND   ADMIN_RESULT(ADMIN_ST_EINVAL, ADMIN_Q_COMMAND)
#define ADMIN_BAD_OPCODE    ADMIN_RESULT(ADMIN_ST_EINVAL, ADMIN_Q_OPCODE)
#define ADMIN_BAD_FIELD     ADMIN_RESULT(ADMIN_ST_EINVAL, ADMIN_Q_FIELD)
#define ADMIN_BAD_GROUP     ADMIN_RESULT(ADMIN_ST_EINVAL, ADMIN_Q_GROUP)
#define ADMIN_BAD_MEMBER    ADMIN_RESULT(ADMIN_ST_EINVAL, ADMIN_Q_MEMBER)
#define ADMIN_NO_OBJECT     ADMIN_RESULT(ADMIN_ST_ENXIO, ADMIN_Q_FIELD)
#define ADMIN_EXISTS        ADMIN_RESULT(ADMIN_ST_EEXIST, ADMIN_Q_FIELD)
#define ADMIN_NO_SPACE      ADMIN_RESULT(ADMIN_ST_ENOSPC, ADMIN_Q_NORESOURCE)
#define ADMIN_SHORT         ADMIN_RESULT(ADMIN_ST_ENOMEM, ADMIN_Q_COMMAND)
#define ADMIN_BUSY          ADMIN_RESULT(ADMIN_ST_EBUSY, ADMIN_Q_COMMAND)

enum { ADMIN_GROUP_SELF, ADMIN_GROUP_SRIOV, ADMIN_GROUPS };

typedef struct AdminCmd {
    PartsPF *pf;
    PartsVF *vf;                /* the member, for the SR-IOV group */
    uint16_t opcode;
    uint16_t group;
    /* The driver's data, padded with zeros to at least ADMIN_DATA_MIN. */
    const uint8_t *data;
    size_t len;
    GByteArray *result;
    PartsPad pad;               /* content to append to the result */
    size_t room;                /* in the driver's buffers, for the result */
} AdminCmd;

#define ADMIN_HDR_SIZE      24
#define ADMIN_OP_PARTS_GET  0x0f

/* Bytes of a command's fixed structure; readable even in a shorter buffer. */
#define ADMIN_DATA_MIN 32

AdminResult admin_cap_id_list(AdminCmd *cmd);
AdminResult admin_cap_get(AdminCmd *cmd);
AdminResult admin_cap_set(AdminCmd *cmd);
AdminResult admin_obj_create(AdminCmd *cmd);
AdminResult admin_obj_modify(AdminCmd *cmd);
AdminResult admin_obj_query(AdminCmd *cmd);
AdminResult admin_obj_destroy(AdminCmd *cmd);

/* The object that the header in the command's data names, or NULL. */
#define OBJ_TYPE_GET    0
#define OBJ_TYPE_SET    1
#define OBJ_HDR_SIZE    8
PartsObject *admin_find_obj(AdminCmd *cmd);

/* Runs the command; returns the bytes written to its buffers. */
size_t parts_admin_run(PartsPF *pf, const VirtQueueElement *elem,
                       const LabFault *fault);
/* Takes ownership of @elem. */
void parts_admin_complete(PartsPF *pf, VirtQueueElement *elem, size_t used);
unsigned parts_admin_count_objs(const PartsPF *pf);
/* Takes ownership of @elem; runs and completes it, now or later. */
void parts_lab_take(PartsPF *pf, VirtQueueElement *elem);

#endif
