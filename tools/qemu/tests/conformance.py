# SPDX-License-Identifier: GPL-2.0-or-later
"""The NIC's conformance to VIRTIO 1.4, tested through registers and rings."""

import random
import socket
import struct
import tempfile

import admin as adm
import pci
from admin import Part, pack, parse
from bench import BROADCAST, HEADER_LEN, PF_MAC, Bench, frame, same, test, vf_mac

# ---- commands and their refusals ----

SELF_LIST = 0x383
SRIOV_LIST = 0x3FF83


@test
def lists_the_commands_of_each_group(qemu):
    with Bench(qemu, enable=False, start=False) as b:
        for group, want in ((adm.SELF, SELF_LIST), (adm.SRIOV, SRIOV_LIST)):
            same(struct.unpack("<Q", b.admin.ok(adm.LIST_QUERY, group))[0], want, f"group {group}")


@test
def refuses_commands_before_list_use(qemu):
    with Bench(qemu, start=False) as b:
        same(b.admin.mode(1, 1), adm.BAD_OPCODE)
        b.admin.ok(adm.LIST_USE, data=struct.pack("<Q", SRIOV_LIST))
        same(b.admin.mode(1, 1), adm.OK)


@test
def holds_the_driver_to_its_list_until_reset(qemu):
    with Bench(qemu) as b:
        same(b.admin(adm.LIST_USE, data=struct.pack("<Q", 1 << 40))[0], adm.BAD_FIELD, "unknown")
        same(b.admin(adm.LIST_USE, data=struct.pack("<QQ", 3, 1))[0], adm.BAD_FIELD, "beyond 64")
        same(b.admin.mode(1, 0), adm.OK, "a refused list changes nothing")
        b.admin.ok(adm.LIST_USE, data=struct.pack("<QQ", 1 << adm.MODE, 0))
        same(b.admin.mode(1, 0), adm.OK)
        same(b.admin(adm.LIST_QUERY)[0], adm.BAD_OPCODE, "even the first two can be given up")
        b.admin.ok(adm.LIST_USE, adm.SELF, data=struct.pack("<Q", 3))
        same(b.admin(adm.CAP_ID_LIST, adm.SELF)[0], adm.BAD_OPCODE, "each group on its own")
        b.start_pf()
        b.admin.start()
        same(b.admin.mode(1, 0), adm.OK)


@test
def checks_group_then_opcode_then_member(qemu):
    with Bench(qemu) as b:
        for group, opcode, member, want in (
                (2, 99, 99, adm.BAD_GROUP),
                (adm.SRIOV, 99, 99, adm.BAD_OPCODE),
                (adm.SRIOV, 2, 1, adm.BAD_OPCODE),
                (adm.SRIOV, 18, 1, adm.BAD_OPCODE),
                (adm.SRIOV, adm.MODE, 0, adm.BAD_MEMBER),
                (adm.SRIOV, adm.MODE, 5, adm.BAD_MEMBER),
                (adm.SRIOV, adm.MODE, 1 << 32 | 1, adm.BAD_MEMBER),
                (adm.SELF, adm.MODE, 0, adm.BAD_OPCODE),
                (adm.SELF, adm.CREATE, 0, adm.BAD_OPCODE),
                (adm.SELF, adm.CAP_ID_LIST, 1, adm.BAD_MEMBER),
                (adm.SRIOV, adm.CAP_ID_LIST, 1, adm.BAD_GROUP),
                (adm.SRIOV, adm.CAP_GET, 1, adm.BAD_GROUP),
                (adm.SRIOV, adm.CAP_SET, 1, adm.BAD_GROUP)):
            same(b.admin(opcode, group, member)[0], want, f"group {group} opcode {opcode}")


@test
def has_no_sriov_group_without_vfs(qemu):
    with Bench(qemu, enable=False) as b:
        same(b.admin.mode(1, 1), adm.BAD_GROUP)
        b.nic.enable_vfs()
        same(b.admin.mode(4, 1), adm.OK)
        b.nic.disable_vfs()
        same(b.admin.mode(4, 1), adm.BAD_GROUP)


@test
def offers_the_device_parts_capability(qemu):
    with Bench(qemu, start=False) as b:
        same(b.admin.ok(adm.CAP_ID_LIST, adm.SELF), struct.pack("<Q", 1))
        same(b.admin.ok(adm.CAP_GET, adm.SELF, data=bytes(8)), b"\xff\xff")
        for opcode in (adm.CAP_GET, adm.CAP_SET):
            same(b.admin(opcode, adm.SELF, data=struct.pack("<H6x2x", 1))[0][0], adm.ENXIO)


@test
def bounds_objects_by_the_drivers_capability(qemu):
    with Bench(qemu, start=False) as b:
        b.admin.ok(adm.LIST_USE, data=b.admin.ok(adm.LIST_QUERY))
        same(b.admin.create(1, 0, adm.GET_OBJ), adm.BAD_FIELD, "no capability yet")

        def limits(get, put):
            return b.admin(adm.CAP_SET, adm.SELF, data=struct.pack("<H6xBB", 0, get, put))[0]

        same(limits(2, 1), adm.OK)
        same(b.admin.create(1, 3, adm.GET_OBJ), adm.BAD_FIELD, "id out of range")
        same(b.admin.create(1, 2, adm.GET_OBJ), adm.OK)
        same(b.admin.create(2, 1, adm.GET_OBJ), adm.OK)
        same(b.admin.create(2, 0, adm.GET_OBJ)[0], adm.ENOSPC)
        same(b.admin.create(2, 0, adm.SET_OBJ), adm.OK)
        same(limits(1, 1)[0], adm.EBUSY, "below what exists")
        same(b.admin.destroy(1, 2), adm.OK)
        same(limits(1, 1), adm.OK)
        b.start_pf()
        b.admin.ok(adm.LIST_USE, data=b.admin.ok(adm.LIST_QUERY))
        same(b.admin.create(1, 0, adm.GET_OBJ), adm.BAD_FIELD, "a reset resets the capability")


@test
def keeps_resource_objects(qemu):
    with Bench(qemu) as b:
        def named(opcode, member, obj, tail=b"", kind=0):
            return b.admin(opcode, member=member, data=struct.pack("<HxxI", kind, obj) + tail)

        flags = bytes(8)
        same(b.admin.create(1, 7, adm.GET_OBJ), adm.OK)
        for member in (1, 2):
            same(b.admin.create(member, 7, adm.SET_OBJ)[0], adm.EEXIST)
        same(b.admin.create(1, 8, 2), adm.BAD_FIELD, "no such direction")
        same(named(adm.CREATE, 1, 8, flags, kind=1)[0], adm.BAD_FIELD, "no such type")
        same(named(adm.CREATE, 1, 8, struct.pack("<QB7x", 1, 0))[0], adm.BAD_FIELD, "flags")
        same(named(adm.QUERY, 1, 7, flags), (adm.OK, bytes(8)))
        same(named(adm.MODIFY, 1, 7, flags + b"\x02" + bytes(7))[0], adm.BAD_FIELD)
        same(named(adm.QUERY, 1, 7, flags), (adm.OK, bytes(8)), "unchanged")
        same(named(adm.MODIFY, 1, 7, flags + b"\x01" + bytes(7))[0], adm.OK)
        same(named(adm.QUERY, 1, 7, flags), (adm.OK, b"\x01" + bytes(7)))
        for opcode in (adm.MODIFY, adm.QUERY, adm.DESTROY, adm.METADATA, adm.GET, adm.SET):
            same(named(opcode, 2, 7, flags)[0][0], adm.ENXIO, "another member's")
            same(named(opcode, 1, 8, flags)[0][0], adm.ENXIO, "never created")
            same(named(opcode, 1, 1 << 31, flags)[0][0], adm.ENXIO, "absurd")
        same(b.admin.destroy(1, 7), adm.OK)
        same(b.admin.destroy(1, 7)[0], adm.ENXIO)
        same(b.admin.create(1, 7, adm.GET_OBJ), adm.OK, "an id is free again")


@test
def forgets_objects_with_the_vfs_and_with_the_pf(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        b.nic.disable_vfs()
        b.nic.enable_vfs()
        b.objects(1)
        b.start_pf()
        b.admin.start()
        b.objects(1)


@test
def takes_buffers_of_any_length(qemu):
    with Bench(qemu) as b:
        head = struct.pack("<HH12xQ", adm.MODE, adm.SRIOV, 1)
        same(b.admin.raw(head, 8), (8, bytes(8)), "missing data is zero")
        same(b.admin.raw(head + bytes(64), 8)[1], bytes(8), "more than expected")
        used, out = b.admin.raw(bytes(2), 64)
        same((used, out[8:16]), (16, struct.pack("<Q", SELF_LIST)), "a short header")
        same(b.admin.raw(head, 2), (2, bytes(2)), "a cut status")
        b.objects(1)
        whole = b.state(1)
        used, out = b.admin.raw(struct.pack("<HH12xQ", adm.GET, adm.SRIOV, 1) +
                                struct.pack("<HxxIB7x", 0, 0, adm.ALL), 8 + 100)
        same((used, out[8:]), (108, whole[:100]), "a cut result")


# ---- metadata and GET ----

@test
def describes_what_get_returns(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        whole = b.state(1)
        parts = parse(whole)
        size = struct.unpack("<II", b.admin.metadata(1, 0, adm.SIZE)[1])
        count = struct.unpack("<II", b.admin.metadata(1, 0, adm.COUNT)[1])
        listed = b.admin.metadata(1, 0, adm.LIST)[1]
        assert size[0] >= len(whole) and size[1] == 0
        same(count, (len(parts), 0))
        same(listed, struct.pack("<II", len(parts), 0) + b"".join(p.header() for p in parts))
        same(b.admin.metadata(1, 0, 3)[0], adm.BAD_FIELD)
        same(b.admin.metadata(1, 1, adm.COUNT)[0], adm.OK, "also through a SET object")


@test
def metadata_wants_room_for_all_of_it(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        need = len(b.admin.metadata(1, 0, adm.LIST)[1])
        for kind, room, want in ((adm.SIZE, 0, adm.ENOMEM), (adm.COUNT, 7, adm.ENOMEM),
                                 (adm.SIZE, 8, 0), (adm.LIST, need - 1, adm.ENOMEM),
                                 (adm.LIST, need, 0)):
            same(b.admin.metadata(1, 0, kind, room=room)[0][0], want, f"{kind} in {room}")


@test
def get_returns_what_the_driver_configured(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, mq=True)
        vf.set_reg(pci.Q_SELECT, 2, 3)
        b.objects(1)
        parts = {p.key: p for p in parse(b.state(1))}

        def value(kind, selector=bytes(8)):
            return parts[(kind, selector)].value

        def field(offset):
            return int.from_bytes(value(adm.COMMON, struct.pack("<Q", offset)), "little")

        same(struct.unpack("<Q", value(adm.DEV_FEATURES))[0], vf.offered())
        same(struct.unpack("<Q", value(adm.DRV_FEATURES))[0], pci.BASE_FEATURES | pci.MQ)
        same(value(adm.DEV_STATUS), b"\x0f")
        same((field(pci.MSIX), field(pci.NUMQ), field(pci.Q_SELECT)), (0, 5, 3))
        for index, queue in vf.queues.items():
            selector = struct.pack("<H6x", index)
            same(value(adm.VQ, selector), struct.pack("<HHHxxQQQ", 16, 1 + index, 1, queue.desc,
                                                      queue.driver, queue.device))
            same(value(adm.VQ_NOTIFY, selector), struct.pack("<HH4x", index, 0))
        for key, part in parts.items():
            same(part.flags, int(key[0] == adm.DEV_FEATURES), f"optional {key}")
            same(part.reserved, 0)
        kinds = [p.type for p in parse(b.state(1))]
        same(kinds, sorted(kinds), "order")


@test
def get_selected_returns_those_in_order_and_no_others(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        parts = parse(b.state(1))
        wanted = [parts[i] for i in (20, 0, 9, 9, 1)]
        picks = b"".join(p.header(0) for p in wanted)
        picks += Part(0x5FF, 0, 0, bytes(8), b"").header() + bytes(8)
        status, data = b.admin.get(1, 0, adm.SELECTED, picks)
        same(status, adm.OK)
        same(data, pack([parts[i] for i in (0, 1, 9, 20)]))
        same(b.admin.get(1, 0, adm.SELECTED)[1], b"", "nothing selected")
        same(b.admin.get(1, 0, 2)[0], adm.BAD_FIELD, "no such type")
        same(b.admin.get(1, 1)[0], adm.BAD_FIELD, "a SET object")


# ---- SET ----

@test
def set_needs_a_stopped_vf_and_a_set_object(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        data = b.state(1)
        same(b.admin.set(1, 1, data)[0], adm.EBUSY, "running")
        same(b.admin.mode(1, 1), adm.OK)
        same(b.admin.set(1, 0, data), adm.BAD_FIELD, "a GET object")
        same(b.admin.set(1, 1, data), adm.OK)
        same(b.admin.mode(1, 0), adm.OK)
        same(b.admin.set(1, 1, data)[0], adm.EBUSY, "running again")


def changed(parts, index, **fields):
    return parts[:index] + [parts[index]._replace(**fields)] + parts[index + 1:]


def find(parts, kind, nth=0):
    return [i for i, p in enumerate(parts) if p.type == kind][nth]


def le(val, size):
    return val.to_bytes(size, "little")


def vq_with(part, offset, size, val):
    return part.value[:offset] + le(val, size) + part.value[offset + size:]


def damages(parts):
    """(name, data) of all known kinds of invalid sets of parts."""
    def edit(name, kind, nth=0, **fields):
        return name, pack(changed(parts, find(parts, kind, nth), **fields))

    def without(name, kind):
        return name, pack([p for p in parts if p.type != kind])

    def common(offset):
        return [i for i, p in enumerate(parts) if p.type == adm.COMMON
                and p.selector == le(offset, 8)][0]

    def cvq(cls, cmd):
        return [i for i, p in enumerate(parts) if p.type == adm.CVQ
                and p.selector[:2] == bytes([cls, cmd])][0]

    def at(name, index, **fields):
        return name, pack(changed(parts, index, **fields))

    features, vq = parts[find(parts, adm.DRV_FEATURES)].value, parts[find(parts, adm.VQ)]
    features = int.from_bytes(features, "little")
    table = cvq(1, 0)
    whole = pack(parts)

    for cut in (1, 7, 16, 20, 33, len(whole) // 2):
        yield f"cut by {cut}", whole[:-cut]
    for i, part in enumerate(parts):
        size = len(part.value)
        for length in {size + 1, size - 1, 0, 0xFFFFFFFF}:
            yield (f"length {length:#x} in part {i}",
                   pack(parts[:i]) + part.pack(length) + pack(parts[i + 1:]))
        for short in (part.value[:-1], part.value + b"\0"):
            if part.key != parts[table].key or len(short) != size:
                yield at(f"value of {len(short)} in part {i}", i, value=short)
        for bit in range(8):
            yield at(f"flag {bit} in part {i}", i, flags=part.flags ^ 1 << bit)
        yield at(f"reserved byte in part {i}", i, reserved=1)
        for byte in range(8):
            selector = bytearray(part.selector)
            selector[byte] ^= 0x40
            yield at(f"selector byte {byte} in part {i}", i, selector=bytes(selector))
        yield f"part {i} twice", pack(parts[:i + 1] + parts[i:])
    for i in range(len(parts) - 1):
        if parts[i].type != parts[i + 1].type:
            yield f"parts {i} and {i + 1} swapped", pack(
                parts[:i] + [parts[i + 1], parts[i]] + parts[i + 2:])
    yield "unknown mandatory part", pack(parts + [Part(0x5FF, 0, 0, bytes(8), b"abc")])
    yield "trailing byte", whole + b"\x01"
    yield "device features", pack(changed(parts, 0, value=le(
        int.from_bytes(parts[0].value, "little") ^ 1, 8)))
    for kind in (adm.DRV_FEATURES, adm.COMMON, adm.DEV_STATUS, adm.VQ):
        yield without(f"without {kind:#x}", kind)
    yield edit("features not offered", adm.DRV_FEATURES, value=le(features | 1 << 60, 8))
    yield edit("features below the minimum", adm.DRV_FEATURES,
               value=le(features & ~(1 << pci.F_VERSION_1), 8))
    yield edit("without multiqueue", adm.DRV_FEATURES, value=le(features & ~pci.MQ, 8))
    for status in (0x04, 0x0E, 0x07, 0x1F, 0x2F):
        yield edit(f"status {status:#x}", adm.DEV_STATUS, value=le(status, 1))
    yield at("config vector", common(pci.MSIX), value=le(99, 2))
    yield at("number of queues", common(pci.NUMQ), value=le(7, 2))
    yield at("queue select", common(pci.Q_SELECT), value=le(1024, 2))
    for name, offset, size, val in (
            ("size not a power of 2", 0, 2, 17), ("size too large", 0, 2, 512),
            ("size 0", 0, 2, 0), ("vector", 2, 2, 99), ("enabled 2", 4, 2, 2),
            ("reserved", 6, 2, 1), ("descriptor alignment", 8, 8, 8),
            ("driver alignment", 16, 8, 1), ("device alignment", 24, 8, 2)):
        yield edit(f"queue: {name}", adm.VQ, value=vq_with(vq, offset, size, val))
    yield edit("queue index", adm.VQ, 4, selector=le(5, 8))
    yield edit("notify offset", adm.VQ_NOTIFY, value=le(1, 8))
    yield at("receive mode 2", cvq(0, 0), value=b"\x02")
    yield at("no pairs", cvq(4, 0), value=le(0, 2))
    yield at("too many pairs", cvq(4, 0), value=le(3, 2))
    yield at("unknown control command", cvq(0, 5), selector=bytes([0, 6]) + bytes(6))
    for uni, multi, extra in ((65, 0, 65 * 6), (1, 0, 0), (0, 1, 0), (60, 5, 65 * 6),
                              (0x2AAAAAAB, 0, 0)):
        yield at(f"filter table of {uni} and {multi}", table, value=(
            le(uni, 4) + bytes(min(uni, 65) * 6) + le(multi, 4) + bytes(multi * 6))[:8 + extra])


@test
def set_of_damaged_parts_fails_without_side_effect(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, mq=True)
        b.objects(1)
        same(b.admin.mode(1, 1), adm.OK)
        before = b.state(1)
        count = 0
        for name, data in damages(parse(before)):
            same(b.admin.set(1, 1, data), adm.BAD_FIELD, name)
            count += 1
            if count % 50 == 0:
                same(b.state(1), before, name)
        same(b.state(1), before)
        assert count > 300, count
        same(b.admin.mode(1, 0), adm.OK)
        same(b.state(1), before)
        assert b.send(vf, frame(PF_MAC, vf_mac(1)))


@test
def a_failed_set_leaves_an_earlier_one_in_place(qemu):
    with Bench(qemu) as b:
        b.start_vf(1)
        b.objects(1)
        data = b.state(1)
        b.objects(2, 2, 3)
        b.admin.mode(2, 1)
        same(b.admin.set(2, 3, data), adm.OK)
        same(b.admin.set(2, 3, data[:-3]), adm.BAD_FIELD)
        same(b.state(2, 2), data)


@test
def get_returns_what_was_set_before_and_after_the_resume(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, mq=True)
        b.control(vf, 4, 0, le(2, 2))
        b.objects(1)
        b.admin.mode(1, 1)
        data = b.state(1)
        b.objects(2, 2, 3)
        b.vfs[2].msix_on(6)
        b.admin.mode(2, 1)
        fresh = b.state(2, 2)
        assert fresh != data
        same(b.admin.set(2, 3, data), adm.OK)
        same(b.state(2, 2), data, "set")
        same(b.vfs[2].reg(pci.STATUS, 1), 0, "takes effect on resume only: status")
        b.admin.mode(2, 0)
        same(b.state(2, 2), data, "resumed")
        same(b.vfs[2].reg(pci.STATUS, 1), 0xF)
        b.admin.mode(2, 1)
        same(b.admin.set(2, 3, fresh.replace(vf_mac(2), vf_mac(2))), adm.OK)
        b.admin.mode(2, 0)
        same(b.state(2, 2), fresh, "and back to a device after reset")


@test
def control_queue_state_moves_with_the_parts(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, mq=True)
        mac = bytes.fromhex("020000000042")
        multi = [bytes.fromhex("01005e0000%02x" % i) for i in range(3)]
        for cmd, on in ((0, 0), (1, 1), (2, 0), (3, 1), (4, 1), (5, 1)):
            b.control(vf, 0, cmd, bytes([on]))
        b.control(vf, 1, 1, mac)
        b.control(vf, 1, 0, le(1, 4) + vf_mac(9) + le(3, 4) + b"".join(multi))
        for vid in (0, 7, 4095):
            b.control(vf, 2, 0, le(vid, 2))
        b.control(vf, 4, 0, le(2, 2))
        b.objects(1)
        parts = {p.selector[:2]: p.value for p in parse(b.state(1)) if p.type == adm.CVQ}
        same([parts[bytes([0, c])] for c in range(6)], [b"\0", b"\1", b"\0", b"\1", b"\1", b"\1"])
        same(parts[b"\1\1"], mac)
        same(parts[b"\1\0"], le(1, 4) + vf_mac(9) + le(3, 4) + b"".join(multi))
        same(parts[b"\2\0"], b"\x81" + bytes(510) + b"\x80")
        same(parts[b"\4\0"], b"\2\0")

        b.admin.mode(1, 1)
        data = b.state(1)
        b.objects(2, 2, 3)
        b.admin.mode(2, 1)
        same(b.admin.set(2, 3, data), adm.OK)
        b.admin.mode(2, 0)
        same(b.state(2, 2), data)
        same(b.vfs[2].config(0, 6), mac)


@test
def an_overflowed_filter_table_moves_as_its_mode(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        b.control(vf, 1, 0, le(0, 4) + le(70, 4) + b"\x01" * 420)
        b.objects(1)
        parts = {p.selector[:2]: p.value for p in parse(b.state(1)) if p.type == adm.CVQ}
        same((parts[b"\0\1"], parts[b"\1\0"]), (b"\1", bytes(8)))


@test
def set_skips_unknown_optional_parts_and_padding(qemu):
    with Bench(qemu) as b:
        b.start_vf(1)
        b.objects(1)
        b.admin.mode(1, 1)
        data = b.state(1)
        same(b.admin.set(1, 1, data + Part(0x5FF, 1, 0, b"whatever", b"x" * 100).pack() + bytes(7)),
             adm.OK)
        same(b.state(1), data)
        same(b.admin.set(1, 1, pack(parse(data)[1:])), adm.OK, "DEV_FEATURES is optional")


@test
def parts_can_be_set_one_after_the_other(qemu):
    with Bench(qemu) as b:
        b.start_vf(1)
        b.objects(1)
        b.admin.mode(1, 1)
        parts = parse(b.state(1))
        b.objects(2, 2, 3)
        b.admin.mode(2, 1)
        kinds = sorted({p.type for p in parts})

        def only(kind):
            return pack([p for p in parts if p.type == kind])

        for kind in kinds[2:6]:
            same(b.admin.set(2, 3, only(kind)), adm.BAD_FIELD, f"{kind:#x} before its predecessors")
        for kind in kinds:
            same(b.admin.set(2, 3, only(kind)), adm.OK, f"{kind:#x}")
        same(b.state(2, 2), pack(parts))


@test
def random_damage_is_refused_or_restored(qemu):
    with Bench(qemu) as b:
        b.start_vf(1, mq=True)
        b.objects(1)
        b.admin.mode(1, 1)
        data = b.state(1)
        b.objects(2, 2, 3)
        b.vfs[2].set(4, 2, 0x2)         # no bus mastering: the restored state stays as it is
        rng = random.Random(1)
        taken = 0
        for _ in range(1500):
            bad = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                bad[rng.randrange(len(bad))] = rng.choice((0, 1, 2, 3, 0x7F, 0xFF, rng.randrange(256)))
            b.admin.mode(2, 1)
            status = b.admin.set(2, 3, bytes(bad))
            assert status in (adm.OK, adm.BAD_FIELD), status
            if status == adm.OK:
                taken += 1
                staged = b.state(2, 2)
                b.admin.mode(2, 0)
                same(b.state(2, 2), staged)
        assert 0 < taken < 1500, taken


# ---- stopped means stopped ----

def silent(b, vf):
    """Check that nothing reached the driver: no used buffer, no message."""
    b.m.settle()
    for index, queue in vf.queues.items():
        same(queue.used_index(), queue.seen & 0xFFFF, f"used index of queue {index}")
    for vector in range(len(vf.queues) + 1):
        assert not vf.fired(vector), f"vector {vector}"


@test
def a_running_vf_moves_packets_and_interrupts(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        assert b.send(b.pf, frame(vf_mac(1)))
        same(b.received(vf), frame(vf_mac(1)))
        assert vf.fired(1)
        assert b.send(vf, frame(PF_MAC, vf_mac(1)))
        assert vf.fired(2)


@test
def a_stopped_vf_touches_nothing(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        same(b.admin.mode(1, 1), adm.OK)
        memory = {i: b.m.read(q.device, 6 + 8 * q.size) for i, q in vf.queues.items()}
        rooms = [b.m.read(room, 2048) for room in vf.rooms[0]]
        assert b.send(b.pf, frame(vf_mac(1)))
        assert b.send(b.pf, frame(BROADCAST))
        vf.queues[1].add(bytes(HEADER_LEN) + frame(PF_MAC, vf_mac(1)))
        vf.queues[2].add(b"\0\0\1", 1)
        for index in vf.queues:
            vf.kick(index)
        silent(b, vf)
        for index, queue in vf.queues.items():
            same(b.m.read(queue.device, 6 + 8 * queue.size), memory[index])
        same([b.m.read(room, 2048) for room in vf.rooms[0]], rooms)

        same(b.admin.mode(1, 0), adm.OK)
        assert vf.queues[1].wait() is not None, "what was queued is sent on resume"
        assert vf.queues[2].wait() is not None, "and executed"
        same(b.received(vf), None, "what came while it was stopped is lost")
        assert b.send(b.pf, frame(vf_mac(1), body=b"\x77" * 60))
        same(b.received(vf), frame(vf_mac(1), body=b"\x77" * 60))


@test
def a_packet_due_at_the_stop_waits_for_the_resume(qemu):
    # With tx=timer a kick arms a timer of the virtual clock, which advances only in settle().
    with Bench(qemu, extra=("-global", "virtio-net-device.tx=timer")) as b:
        vf = b.start_vf(1)
        vf.queues[1].add(bytes(HEADER_LEN) + frame(PF_MAC, vf_mac(1)))
        vf.kick(1)
        b.admin.mode(1, 1)
        silent(b, vf)
        b.m.qmp("stop")
        b.m.qmp("cont")
        silent(b, vf)
        b.admin.mode(1, 0)
        assert vf.queues[1].wait() is not None


@test
def packets_without_a_buffer_do_not_survive_the_stop(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, rx=1)
        for i in range(3):
            assert b.send(b.pf, frame(vf_mac(1), body=bytes([i]) * 60))
        same(b.received(vf), frame(vf_mac(1), body=b"\0" * 60))
        b.admin.mode(1, 1)
        for _ in range(3):
            vf.rooms[0].append(b.post(vf, 0))
        b.admin.mode(1, 0)
        same(b.received(vf), None)


@test
def stays_stopped_when_the_vm_stops_and_continues(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        b.admin.mode(1, 1)
        vf.queues[1].add(bytes(HEADER_LEN) + frame(PF_MAC, vf_mac(1)))
        for _ in range(2):
            b.m.qmp("stop")
            b.m.qmp("cont")
            vf.kick(1)
            assert b.send(b.pf, frame(vf_mac(1)))
            silent(b, vf)
        b.admin.mode(1, 0)
        assert vf.queues[1].wait() is not None


@test
def a_link_change_while_stopped_is_told_on_resume(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        b.m.qmp("set_link", name="nic-vf1", up=False)
        assert vf.fired(0), "a running VF tells at once"
        b.m.qmp("set_link", name="nic-vf1", up=True)
        assert vf.fired(0)
        b.admin.mode(1, 1)
        b.m.qmp("set_link", name="nic-vf1", up=False)
        silent(b, vf)
        b.m.qmp("set_link", name="nic-vf1", up=True)
        b.m.qmp("set_link", name="nic-vf1", up=False)
        b.m.qmp("stop")
        b.m.qmp("cont")
        silent(b, vf)
        same(vf.config(6, 2), b"\0\0")
        b.admin.mode(1, 0)
        assert vf.fired(0)
        b.m.qmp("set_link", name="nic-vf1", up=True)
        b.m.settle()
        vf.fired(0)
        for vector in range(1, 4):
            vf.fired(vector)
        b.admin.mode(1, 1)
        b.admin.mode(1, 0)
        assert not vf.fired(0), "no change, no notification"


@test
def unmasking_a_vector_while_stopped_interrupts_nobody(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        entry = vf.bars[pci.BAR_MEM] + 16 * 1 + 12
        b.m.store(entry, 4, 1)
        assert b.send(b.pf, frame(vf_mac(1)))
        assert not vf.fired(1)
        b.admin.mode(1, 1)
        b.m.store(entry, 4, 0)
        assert not vf.fired(1)
        b.admin.mode(1, 0)
        assert vf.fired(1), "the resume makes up for it"


@test
def modes_repeat_without_effect(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        for mode in (0, 0, 1, 1, 0, 0):
            same(b.admin.mode(1, mode), adm.OK)
        same(b.admin.mode(1, 2), adm.BAD_FIELD)
        same(b.admin.mode(1, 3), adm.BAD_FIELD)
        assert b.send(vf, frame(PF_MAC, vf_mac(1))), "refused flags did not stop it"


@test
def registers_answer_while_stopped(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        before = [vf.reg(off, 2) for off in (pci.MSIX, pci.NUMQ, pci.STATUS)]
        b.admin.mode(1, 1)
        same([vf.reg(off, 2) for off in (pci.MSIX, pci.NUMQ, pci.STATUS)], before)
        same(vf.config(0, 6), vf_mac(1))


@test
def stopping_one_vf_leaves_the_others_running(qemu):
    with Bench(qemu) as b:
        one, two = b.start_vf(1), b.start_vf(2)
        b.admin.mode(1, 1)
        assert b.send(b.pf, frame(BROADCAST))
        same(b.received(two), frame(BROADCAST))
        assert b.send(two, frame(PF_MAC, vf_mac(2)))
        silent(b, one)


# ---- moving a running device ----

def exchange(b, vf, rounds):
    """Send frames both ways and check each; replace used receive buffers."""
    for i in range(rounds):
        data = frame(vf_mac(1), body=bytes([i + 1]) * 60)
        assert b.send(b.pf, data), "PF"
        same(b.received(vf), data, f"frame {i}")
        vf.rooms[0].append(b.post(vf, 0))
        assert b.send(vf, frame(PF_MAC, vf_mac(1))), f"transmit {i}"


@test
def state_set_on_another_vf_continues_the_rings(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        exchange(b, vf, 21)             # more than once around
        b.objects(1)
        b.objects(2, 2, 3)
        b.admin.mode(2, 1)
        b.admin.mode(1, 1)
        vf.queues[1].add(bytes(HEADER_LEN) + frame(PF_MAC, vf_mac(1)))
        same(b.admin.set(2, 3, b.state(1)), adm.OK)
        new = b.take_over(2, vf)
        silent(b, new)
        sent = new.queues[1].used_index()
        b.admin.mode(2, 0)
        assert new.queues[1].wait() is not None
        b.m.settle()
        same(new.queues[1].used_index(), sent + 1, "what was queued is sent once, no more")
        for vector in (0, 1, 2, 3):
            assert new.fired(vector), f"a resume notifies vector {vector}"
        exchange(b, new, 21)
        assert new.fired(1) and new.fired(2)
        b.control(new, 0, 0, b"\1")

        b.admin.mode(2, 1)              # and back
        same(b.admin.set(1, 1, b.state(2, 2)), adm.OK)
        b.admin.mode(1, 0)
        exchange(b, vf, 5)


@test
def the_source_continues_when_the_move_is_given_up(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        exchange(b, vf, 5)
        b.objects(1)
        b.admin.mode(1, 1)
        b.state(1)
        b.admin.mode(1, 0)
        exchange(b, vf, 5)


@test
def rings_wait_for_bus_mastering(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1)
        exchange(b, vf, 5)
        b.objects(1)
        b.objects(2, 2, 3)
        b.admin.mode(1, 1)
        b.admin.mode(2, 1)
        same(b.admin.set(2, 3, b.state(1)), adm.OK)
        new = b.take_over(2, vf)
        new.set(4, 2, 0x2)
        b.admin.mode(2, 0)
        new.kick(1)
        silent(b, new)
        new.set(4, 2, 0x6)
        exchange(b, new, 5)


# ---- resets ----

@test
def flr_ends_the_stop_and_drops_what_was_set(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        fresh = b.state(1)
        b.start_vf(1)
        b.admin.mode(1, 1)
        data = b.state(1)
        same(b.admin.set(1, 1, data), adm.OK)
        b.vfs[1].flr()
        same(b.state(1), fresh)
        same(b.admin.set(1, 1, data)[0], adm.EBUSY, "it runs")
        b.vfs[1].set(4, 2, 0x6)
        exchange(b, b.start_vf(1), 3)


@test
def a_drivers_reset_drops_the_parts_but_not_the_stop(qemu):
    with Bench(qemu) as b:
        b.objects(1)
        fresh = b.state(1)
        b.start_vf(1)
        b.admin.mode(1, 1)
        same(b.admin.set(1, 1, b.state(1)), adm.OK)
        b.vfs[1].set_reg(pci.STATUS, 1, 0)
        same(b.state(1), fresh)
        vf = b.start_vf(1)
        vf.queues[1].add(bytes(HEADER_LEN) + frame(PF_MAC, vf_mac(1)))
        vf.kick(1)
        silent(b, vf)
        b.admin.mode(1, 0)
        assert vf.queues[1].wait() is not None


@test
def disabling_the_vfs_ends_the_stop(qemu):
    with Bench(qemu) as b:
        b.start_vf(1)
        b.admin.mode(1, 1)
        b.nic.disable_vfs()
        b.vfs = dict(enumerate(b.nic.enable_vfs(), 1))
        exchange(b, b.start_vf(1), 3)


# ---- the functions and the switch ----

@test
def the_pf_shows_its_queues_as_the_specification_has_it(qemu):
    with Bench(qemu, pairs=3, start=False) as b:
        same(b.pf.reg(pci.NUMQ, 2), 7)
        same(b.pf.reg(pci.ADM_NUM, 2), 1)
        assert b.pf.reg(pci.ADM_INDEX, 2) >= 7
        offered = b.pf.offered()
        same(offered & pci.PF_FEATURES, pci.PF_FEATURES)
        same(b.vfs[1].offered() & pci.PF_FEATURES, 0, "VFs have no administration queue")


@test
def a_vf_has_no_pin_interrupt(qemu):
    with Bench(qemu) as b:
        for off, size in ((0x3C, 2), (0x3D, 1), (0x3C, 4)):
            same(b.vfs[1].get(off, size), 0)
        b.vfs[1].set(4, 2, 0x406)
        same(b.vfs[1].get(4, 2), 0x4, "bus mastering is the one bit of its command register")


@test
def a_vf_keeps_its_bars_mapped(qemu):
    with Bench(qemu) as b:
        vf = b.vfs[1]
        kinds = [kind for _, kind in vf.caps()]
        assert 0x01 not in kinds, "a power management capability"
        assert 0x10 in kinds and 0x11 in kinds and kinds.count(9) == 5, kinds
        vf.flr()
        same(vf.reg(pci.NUMQ, 2), 5)


@test
def no_queue_is_offered_larger_than_a_used_ring_in_a_page(qemu):
    with Bench(qemu, start=False) as b:
        for index in (0, 1, 2, b.admin_index):
            b.pf.set_reg(pci.Q_SELECT, 2, index)
            assert b.pf.reg(pci.Q_SIZE, 2) <= 256


@test
def a_broadcast_arrives_once_whatever_the_queues(qemu):
    with Bench(qemu) as b:
        one, two, three = b.start_vf(1, mq=True), b.start_vf(2, mq=True), b.start_vf(3)
        for vf in (one, two):
            b.control(vf, 4, 0, le(2, 2))
        for index in (1, 3):
            assert b.send(one, frame(BROADCAST, vf_mac(1)), index)
        for vf, queues in ((two, (0, 2)), (three, (0,))):
            got = []
            for index in queues:
                while (data := b.received(vf, index)) is not None:
                    got.append(data)
            same(got, 2 * [frame(BROADCAST, vf_mac(1))])
        same(b.received(one), None, "not back to the sender")


@test
def flows_spread_over_the_queues_each_in_one(qemu):
    with Bench(qemu) as b:
        vf = b.start_vf(1, mq=True, rx=16)
        b.control(vf, 4, 0, le(2, 2))

        def udp(port):
            return (vf_mac(1) + PF_MAC + b"\x08\0" + b"\x45\0\0\x2e" + bytes(5) + b"\x11\0\0" +
                    bytes([10, 77, 0, 1, 10, 77, 0, 2]) + struct.pack(">HH", port, 9) + bytes(22))

        place = {}
        for port in list(range(1000, 1008)) * 2:
            assert b.send(b.pf, udp(port))
            queue = [i for i in (0, 2) if b.received(vf, i) is not None]
            same(len(queue), 1)
            same(place.setdefault(port, queue), queue, "one flow, one queue")
        same(sorted({q[0] for q in place.values()}), [0, 2])


@test
def the_vm_around_the_nic_cannot_be_migrated(qemu):
    with Bench(qemu) as b:
        try:
            b.m.qmp("migrate", uri="exec:cat >/dev/null")
        except RuntimeError as error:
            assert "not migratable" in str(error) or "non-migratable" in str(error), error
        else:
            raise AssertionError("it can")


@test
def an_uplink_is_one_more_port(qemu):
    with tempfile.TemporaryDirectory() as tmp:
        near, far = tmp + "/near", tmp + "/far"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.bind(far)
            wire.settimeout(5)
            netdev = (f"dgram,id=up,local.type=unix,local.path={near},"
                      f"remote.type=unix,remote.path={far}")
            with Bench(qemu, options="netdev=up", extra=("-netdev", netdev)) as b:
                vf = b.start_vf(1)
                out, back = frame(b"\x02" * 6, vf_mac(1)), frame(vf_mac(1), b"\x02" * 6)
                assert b.send(vf, out)
                same(wire.recv(2048), out)
                wire.sendto(back, near)
                same(b.received(vf), back)
