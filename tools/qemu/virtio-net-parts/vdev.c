/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net that can be held. virtio-net moves packets only while vm_running is
 * set. A VM that continues sets it and then calls set_status; clearing it there
 * ensures that a held device never runs.
 */
#include "qemu/osdep.h"
#include "system/runstate.h"
#include "migration/vmstate.h"
#include "virtio-net-parts.h"

static void vdev_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIONetParts *vp = VIRTIO_NET_PARTS_DEVICE(vdev);

    if (vp->held) {
        vdev->vm_running = false;
    }
    VIRTIO_NET_PARTS_DEVICE_GET_CLASS(vp)->parent_set_status(vdev, status);
}

static void vdev_reset(VirtIODevice *vdev)
{
    VirtIONetParts *vp = VIRTIO_NET_PARTS_DEVICE(vdev);

    if (vp->on_reset) {
        vp->on_reset(vp->opaque);
    }
    VIRTIO_NET_PARTS_DEVICE_GET_CLASS(vp)->parent_reset(vdev);
}

void parts_vdev_hold(VirtIONetParts *vp, bool hold)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(vp);

    vp->held = hold;
    vdev->vm_running = !hold && runstate_is_running();
    virtio_set_status(vdev, vdev->status);
}

static const VMStateDescription vdev_vmstate = {
    .name = TYPE_VIRTIO_NET_PARTS_DEVICE,
    .unmigratable = 1,
};

static void vdev_class_init(ObjectClass *klass, void *data)
{
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);
    VirtIONetPartsClass *vpc = VIRTIO_NET_PARTS_DEVICE_CLASS(klass);

    vpc->parent_set_status = vdc->set_status;
    vpc->parent_reset = vdc->reset;
    vdc->set_status = vdev_set_status;
    vdc->reset = vdev_reset;
    DEVICE_CLASS(klass)->vmsd = &vdev_vmstate;
}

static const TypeInfo vdev_types[] = {
    {
        .name = TYPE_VIRTIO_NET_PARTS_DEVICE,
        .parent = TYPE_VIRTIO_NET,
        .instance_size = sizeof(VirtIONetParts),
        .class_size = sizeof(VirtIONetPartsClass),
        .class_init = vdev_class_init,
    },
};

DEFINE_TYPES(vdev_types)
