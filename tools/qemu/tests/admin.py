# SPDX-License-Identifier: GPL-2.0-or-later
"""The administration virtqueue as VIRTIO 1.4 describes it, and device parts."""

import struct
from collections import namedtuple

SELF, SRIOV = 0, 1
(LIST_QUERY, LIST_USE) = 0, 1
(CAP_ID_LIST, CAP_GET, CAP_SET) = 7, 8, 9
(CREATE, MODIFY, QUERY, DESTROY) = 10, 11, 12, 13
(METADATA, GET, SET, MODE) = 14, 15, 16, 17

OK = (0, 0)
BAD_OPCODE, BAD_FIELD, BAD_GROUP, BAD_MEMBER = (22, 2), (22, 3), (22, 4), (22, 5)
ENXIO, ENOMEM, EBUSY, EEXIST, ENOSPC = 6, 12, 16, 17, 28

GET_OBJ, SET_OBJ = 0, 1
SIZE, COUNT, LIST = 0, 1, 2
SELECTED, ALL = 0, 1

DEV_FEATURES, DRV_FEATURES, COMMON, DEV_STATUS, VQ, VQ_NOTIFY, CVQ = (
    0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x200)

HEADER = struct.Struct("<HBB8sI")


class Part(namedtuple("Part", "type flags reserved selector value")):
    """One part; its length field defaults to the length of the value."""

    def header(self, length=None):
        return HEADER.pack(self.type, self.flags, self.reserved, self.selector,
                           len(self.value) if length is None else length)

    def pack(self, length=None):
        return self.header(length) + self.value

    @property
    def key(self):
        return self.type, self.selector


def parse(data):
    parts = []
    while data:
        kind, flags, reserved, selector, length = HEADER.unpack_from(data)
        value = data[HEADER.size:HEADER.size + length]
        assert len(value) == length, "a part ends after the data"
        parts.append(Part(kind, flags, reserved, selector, value))
        data = data[HEADER.size + length:]
    return parts


def pack(parts):
    return b"".join(p.pack() for p in parts)


class Admin:
    """Commands of the PF's driver; every call returns ((status, qualifier), result)."""

    def __init__(self, pf, index):
        self.pf, self.index = pf, index

    def raw(self, readable, writable):
        """A command in raw buffers: returns (used length, bytes written)."""
        queue = self.pf.queues[self.index]
        room = queue.add(readable, writable)
        self.pf.kick(self.index)
        used = queue.wait()
        assert used is not None, "the command did not complete"
        return used, self.pf.m.read(room, writable)

    def send(self, opcode, group=SRIOV, member=0, data=b"", room=16384):
        """Send a command without waiting; returns where its result will be."""
        out = self.pf.queues[self.index].add(
            struct.pack("<HH12xQ", opcode, group, member) + data, 8 + room)
        self.pf.kick(self.index)
        return out

    def status_at(self, room):
        return struct.unpack("<HH", self.pf.m.read(room, 4))

    def __call__(self, opcode, group=SRIOV, member=0, data=b"", room=16384):
        head = struct.pack("<HH12xQ", opcode, group, member)
        used, out = self.raw(head + data, 8 + room)
        status, qualifier = struct.unpack_from("<HH", out)
        assert used >= 8 and out[4:8] == bytes(4)
        return (status, qualifier), out[8:used]

    def ok(self, *args, **kwargs):
        status, result = self(*args, **kwargs)
        assert status == OK, f"status {status}"
        return result

    def start(self):
        """What Linux does when it finds the queue."""
        commands = self.ok(LIST_QUERY)
        self.ok(LIST_USE, data=commands)
        self.ok(CAP_SET, SELF, data=struct.pack("<H6xBB", 0, 255, 255))

    def create(self, member, obj, kind):
        return self(CREATE, member=member, data=struct.pack("<HxxIQB7x", 0, obj, 0, kind))[0]

    def destroy(self, member, obj):
        return self(DESTROY, member=member, data=struct.pack("<HxxI", 0, obj))[0]

    def metadata(self, member, obj, kind, **kwargs):
        return self(METADATA, member=member, data=struct.pack("<HxxIB7x", 0, obj, kind), **kwargs)

    def get(self, member, obj, kind=ALL, picks=b""):
        return self(GET, member=member, data=struct.pack("<HxxIB7x", 0, obj, kind) + picks)

    def set(self, member, obj, data):
        return self(SET, member=member, data=struct.pack("<HxxI", 0, obj) + data)[0]

    def mode(self, member, flags):
        return self(MODE, member=member, data=struct.pack("<B7x", flags))[0]
