# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the lab block, which injects firmware faults (tools/qemu/LAB.md)."""

import os
import re
import struct

import admin as adm
import pci
from admin import pack, parse
from bench import Bench, same, test

PAD = 0x4AB
SECOND = 10 ** 9
MODE_STOP, MODE_RUN = struct.pack("<B7x", 1), struct.pack("<B7x", 0)


def registers():
    """The plain numbers of lab-regs.h."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../lab/lab-regs.h")
    with open(path, encoding="ascii") as header:
        return {name: int(val, 0) for name, val in
                re.findall(r"^#define (LAB_\w+)\s+(0x[0-9a-f]+|\d+)(?:ull)?\b", header.read(), re.M)}


R = registers()


def count(opcode):
    return 0x200 + 8 * opcode


def between(opcode):
    return 0x400 + 8 * opcode


class LabBench(Bench):
    def __init__(self, qemu, options="", **kwargs):
        super().__init__(qemu, options="x-lab=on," + options, **kwargs)
        self.bar = self.pf.bars[pci.BAR_LAB]

    def get(self, reg):
        return self.m.load(self.bar + (R[reg] if isinstance(reg, str) else reg), 8)

    def put(self, reg, val):
        self.m.store(self.bar + (R[reg] if isinstance(reg, str) else reg), 8, val)

    def vf_reg(self, number, reg):
        return 0x1000 + 0x40 * (number - 1) + R[reg]

    def vf_get(self, number, reg):
        return self.get(self.vf_reg(number, reg))

    def vf_put(self, number, reg, val):
        self.put(self.vf_reg(number, reg), val)

    def stopped(self, number):
        return bool(self.vf_get(number, "LAB_VF_STATUS") & R["LAB_VF_STOPPED"])

    def fail(self, opcode, nth, status, flags=0):
        self.put("LAB_FAIL_OPCODE", opcode)
        self.put("LAB_FAIL_STATUS", status)
        self.put("LAB_FAIL_FLAGS", flags)
        self.put("LAB_FAIL_NTH", nth)

    def drop(self, opcode, nth):
        self.put("LAB_DROP_OPCODE", opcode)
        self.put("LAB_DROP_NTH", nth)

    def completed(self):
        """Commands whose completion the driver has not read yet."""
        queue = self.pf.queues[self.admin_index]
        return queue.used_index() - queue.seen & 0xFFFF

    def forget(self):
        queue = self.pf.queues[self.admin_index]
        queue.seen = queue.used_index()

    def qom_get(self, name):
        return self.m.qmp("qom-get", path="nic", property=name)

    def qom_set(self, name, val):
        return self.m.qmp("qom-set", path="nic", property=name, value=val)


def refused(func, *args):
    try:
        func(*args)
    except RuntimeError:
        return True
    return False


# ---- the registers ----


@test
def without_x_lab_there_is_no_lab(qemu):
    with Bench(qemu) as b:
        assert pci.BAR_LAB not in b.pf.bars, "BAR 2 exists"
        same(b.pf.get(0x10 + 4 * pci.BAR_LAB, 4), 0)
        props = b.m.qmp("qom-list", path="nic")
        same([p["name"] for p in props if p["name"].startswith("lab")], [])


@test
def the_bar_and_the_monitor_see_the_same_registers(qemu):
    with LabBench(qemu) as b:
        same(b.get("LAB_ID"), 0x10042414C)
        same(b.qom_get("lab-id"), 0x10042414C)
        b.put("LAB_DELAY_US", 77)
        same(b.qom_get("lab-delay-us"), 77)
        b.qom_set("lab-vf3-pad", 4096)
        same(b.vf_get(3 + 1, "LAB_VF_PAD"), 4096)
        same(b.vf_get(3, "LAB_VF_PAD"), 0)
        b.m.qmp("human-monitor-command", **{"command-line": "qom-set nic lab-delay-us 0"})
        same(b.get("LAB_DELAY_US"), 0)
        b.admin.mode(1, 0)
        same(b.qom_get(f"lab-count-{adm.MODE}"), 1)
        b.qom_set("lab-reset", 1)
        same(b.get("LAB_TOTAL"), 0)
        same(b.vf_get(4, "LAB_VF_PAD"), 0)
        same(b.vf_get(5, "LAB_VF_PAD"), 0, "there are four VFs")


@test
def registers_have_limits_and_directions(qemu):
    with LabBench(qemu) as b:
        for name, val in (("lab-id", 1), ("lab-total", 1), ("lab-member", 129),
                          ("lab-vf0-pad", (1 << 30) + 1), ("lab-fail-flags", 4)):
            assert refused(b.qom_set, name, val), name
        assert refused(b.qom_get, "lab-reset")
        b.put("LAB_MEMBER", 129)
        same(b.get("LAB_MEMBER"), 0)
        b.put("LAB_TOTAL", 5)
        same(b.get("LAB_TOTAL"), b.qom_get("lab-total"))
        same(b.get("LAB_RESET"), 0)
        same(b.get(0x1F8), 0, "a hole")
        b.put(0x1F8, 1)


@test
def the_upper_half_of_a_register_takes_effect(qemu):
    with LabBench(qemu) as b:
        addr = b.bar + b.vf_reg(1, "LAB_VF_WRITE_ADDR")
        b.m.store(addr, 4, 0x89ABCDEF)
        same(b.vf_get(1, "LAB_VF_WRITE_ADDR"), 0)
        b.m.store(addr + 4, 4, 0x01234567)
        same(b.vf_get(1, "LAB_VF_WRITE_ADDR"), 0x0123456789ABCDEF)
        same((b.m.load(addr, 4), b.m.load(addr + 4, 4)), (0x89ABCDEF, 0x01234567))


# ---- commands ----


@test
def counts_commands_by_opcode_and_between_marks(qemu):
    with LabBench(qemu) as b:
        b.put("LAB_RESET", 1)
        b.objects(1)
        b.put("LAB_MARK", 0)
        b.state(1)
        b.state(1)
        b.put("LAB_MARK", 1)
        b.state(1)
        b.admin(99)
        same([b.get(count(op)) for op in (adm.CREATE, adm.GET, adm.MODE)], [2, 3, 0])
        same([b.get(between(op)) for op in (adm.CREATE, adm.GET)], [0, 2])
        same(b.get("LAB_TOTAL"), 6)
        same(b.get("LAB_OBJECTS"), 2)
        b.put("LAB_MARK", 0)
        same(b.get(between(adm.GET)), 0, "begins again")
        b.admin.destroy(1, 0)
        same(b.get("LAB_OBJECTS"), 1)


@test
def delayed_commands_wait_side_by_side(qemu):
    with LabBench(qemu) as b:
        b.put("LAB_DELAY_US", 1000000)
        rooms = [b.admin.send(adm.MODE, member=m, data=MODE_STOP) for m in (1, 2, 3)]
        b.m.step(SECOND - 1)
        same((b.completed(), b.stopped(1)), (0, False), "before its time nothing is done")
        b.m.step(1)
        b.m.settle()
        same((b.completed(), b.stopped(1), b.stopped(3)), (3, True, True), "and then all of them")
        same([b.admin.status_at(r) for r in rooms], [adm.OK] * 3)


@test
def a_delay_of_one_member_is_no_delay_of_another(qemu):
    with LabBench(qemu) as b:
        b.put("LAB_DELAY_US", 100000000)
        b.put("LAB_MEMBER", 1)
        slow = b.admin.send(adm.MODE, member=1, data=MODE_STOP)
        quick = b.admin.send(adm.MODE, member=2, data=MODE_STOP)
        b.m.settle()
        same((b.completed(), b.stopped(1), b.stopped(2)), (1, False, True))
        b.forget()
        same(b.admin(adm.CAP_ID_LIST, adm.SELF)[0], adm.OK, "the self group is no member")
        b.m.step(100 * SECOND)
        b.m.settle()
        same((b.completed(), b.stopped(1)), (1, True))
        same((b.admin.status_at(slow), b.admin.status_at(quick)), (adm.OK, adm.OK))


@test
def fails_the_nth_command_before_or_after_it_is_carried_out(qemu):
    with LabBench(qemu) as b:
        b.fail(adm.MODE, 2, 5000 | 7 << 16)
        same(b.admin.mode(1, 1), adm.OK)
        same(b.admin.metadata(1, 0, adm.SIZE)[0][0], adm.ENXIO, "another opcode does not count")
        same(b.admin.mode(1, 0), (5000, 7))
        assert b.stopped(1), "it was carried out"
        same(b.get("LAB_FAIL_NTH"), 0)
        same(b.admin.mode(1, 0), adm.OK)

        b.fail(adm.MODE, 1, adm.EBUSY, R["LAB_FAIL_AFTER"])
        same(b.admin.mode(1, 1)[0], adm.EBUSY)
        assert b.stopped(1), "it was not carried out"

        b.fail(R["LAB_ANY_OPCODE"], 2, adm.EBUSY, R["LAB_FAIL_ON"])
        same([b.admin.mode(1, 0)[0], b.admin.mode(1, 0)[0], b.admin.create(1, 0, 0)[0]],
             [0, adm.EBUSY, adm.EBUSY])
        b.put("LAB_FAIL_NTH", 0)
        same(b.admin.mode(1, 0), adm.OK)

        b.put("LAB_MEMBER", 2)
        b.fail(adm.MODE, 1, adm.EBUSY)
        same([b.admin.mode(1, 0)[0], b.admin.mode(2, 0)[0]], [0, adm.EBUSY])


@test
def a_failed_get_returns_nothing(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        for flags in (0, R["LAB_FAIL_AFTER"]):
            b.fail(adm.GET, 1, adm.EBUSY, flags)
            same(b.admin.get(1, 0), ((adm.EBUSY, 0), b""))


@test
def holds_a_completion_until_it_is_released(qemu):
    with LabBench(qemu) as b:
        b.drop(adm.MODE, 1)
        held = b.admin.send(adm.MODE, member=1, data=MODE_STOP)
        b.m.settle()
        same((b.completed(), b.get("LAB_HELD"), b.stopped(1)), (0, 1, True), "carried out, not said")
        same(b.admin.mode(2, 1), adm.OK, "others go on")
        b.m.step(1000 * SECOND)
        same(b.completed(), 0)
        b.put("LAB_RELEASE", 1)
        same((b.completed(), b.get("LAB_HELD"), b.admin.status_at(held)), (1, 0, adm.OK))


@test
def the_release_reaches_commands_that_are_still_delayed(qemu):
    with LabBench(qemu) as b:
        b.put("LAB_DELAY_US", 1000000)
        b.drop(adm.MODE, 1)
        b.admin.send(adm.MODE, member=1, data=MODE_STOP)
        b.put("LAB_RELEASE", 1)
        same((b.completed(), b.get("LAB_HELD")), (0, 0))
        b.m.step(SECOND)
        same((b.completed(), b.get("LAB_HELD")), (1, 0))


@test
def the_labs_reset_lets_everything_go(qemu):
    with LabBench(qemu) as b:
        b.drop(adm.MODE, 1)
        b.admin.send(adm.MODE, member=1, data=MODE_STOP)
        b.put("LAB_DELAY_US", 1000000000)
        b.drop(adm.MODE, 1)
        for member in (2, 3):
            b.admin.send(adm.MODE, member=member, data=MODE_STOP)
        same(b.completed(), 0)
        b.put("LAB_RESET", 1)
        same((b.completed(), b.get("LAB_HELD"), b.stopped(2), b.stopped(3)), (3, 0, True, True))


def leave_commands(b):
    """One held command and two that are delayed by a second."""
    b.drop(adm.MODE, 1)
    b.admin.send(adm.MODE, member=1, data=MODE_STOP)
    b.put("LAB_DELAY_US", 1000000)
    for member in (2, 3):
        b.admin.send(adm.MODE, member=member, data=MODE_STOP)
    same((b.completed(), b.get("LAB_HELD")), (0, 1))
    b.put("LAB_DELAY_US", 0)


@test
def a_reset_of_the_pf_forgets_what_is_not_completed(qemu):
    def status(b):
        b.pf.set_reg(pci.STATUS, 1, 0)

    def flr(b):
        b.pf.flr()

    def system(b):
        b.m.qmp("system_reset")

    with LabBench(qemu) as b:
        for reset in (status, flr, system):
            old = b.pf.queues[b.admin_index]
            leave_commands(b)
            reset(b)
            if reset is system:
                same(b.qom_get("lab-held"), 0)
                b.m.step(2 * SECOND)
                b.qom_set("lab-release", 1)
                break
            same(b.get("LAB_HELD"), 0)
            before = old.used_index()
            b.m.step(2 * SECOND)
            b.put("LAB_RELEASE", 1)
            same(old.used_index(), before, "nothing is written to rings that were taken back")
            if reset is flr:
                b.pf.set(4, 2, 0x6)
                b.pf.set(0x10 + 4 * pci.BAR_MEM, 4, pci.WINDOW)
                b.pf.set(0x10 + 4 * pci.BAR_LAB, 4, b.bar)
                b.pf.set(0x10 + 4 * pci.BAR_VIRTIO, 4, pci.PREFETCH)
                b.vfs = dict(enumerate(b.nic.enable_vfs(), 1))
            b.start_pf()
            b.admin.start()
            same(b.admin.mode(1, 0), adm.OK)


@test
def a_reset_of_the_queue_forgets_what_is_not_completed(qemu):
    with LabBench(qemu) as b:
        leave_commands(b)
        b.pf.set_reg(pci.Q_SELECT, 2, b.admin_index)
        b.pf.set_reg(58, 2, 1)
        same(b.get("LAB_HELD"), 0)
        b.m.step(2 * SECOND)
        b.pf.set_reg(pci.STATUS, 1, 0)
        b.start_pf()
        b.admin.start()
        same(b.admin.mode(1, 0), adm.OK)


@test
def commands_outlive_the_vf_that_they_are_for(qemu):
    with LabBench(qemu) as b:
        rooms = []
        b.drop(adm.MODE, 1)
        rooms.append(b.admin.send(adm.MODE, member=1, data=MODE_STOP))
        b.put("LAB_DELAY_US", 1000000)
        rooms.append(b.admin.send(adm.MODE, member=2, data=MODE_STOP))
        b.nic.disable_vfs()
        b.m.step(SECOND)
        b.put("LAB_RELEASE", 1)
        same([b.admin.status_at(r) for r in rooms], [adm.OK, adm.BAD_GROUP])
        same(b.completed(), 2)


# ---- the pad ----


@test
def the_pad_is_a_part_like_any_other(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        plain = b.state(1)
        for size in (16, 17, 1000, 8192 + 3):
            b.vf_put(1, "LAB_VF_PAD", size)
            whole = b.state(1)
            parts = parse(whole)
            same(len(whole), len(plain) + size)
            same(whole[:len(plain)], plain)
            same((parts[-1].type, parts[-1].flags), (PAD, 0))
            same(b.state(1), whole, "the same each time")
            metadata = struct.unpack("<II", b.admin.metadata(1, 0, adm.SIZE)[1])[0]
            assert len(whole) <= metadata, "room for it"
            same(b.admin.metadata(1, 0, adm.COUNT)[1], struct.pack("<II", len(parts), 0))
            same(b.admin.metadata(1, 0, adm.LIST)[1],
                 struct.pack("<II", len(parts), 0) + b"".join(p.header() for p in parts))
            same(b.admin.get(1, 0, adm.SELECTED, parts[-1].header(0))[1], pack(parts[-1:]))
            same(b.admin.get(1, 0, adm.SELECTED, parts[0].header(0))[1], pack(parts[:1]))
        b.vf_put(1, "LAB_VF_PAD", 3)
        same(b.vf_get(1, "LAB_VF_PAD"), 16, "no shorter than its header")
        b.vf_put(1, "LAB_VF_PAD", 0)
        same(b.state(1), plain)


@test
def the_pad_moves_with_the_state(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        b.objects(2, 2, 3)
        b.vf_put(1, "LAB_VF_PAD", 5000)
        b.vf_put(2, "LAB_VF_PAD", 5000)
        pads = [parse(b.state(1))[-1], parse(b.state(2, 2))[-1]]
        assert pads[0].value[:8] != pads[1].value[:8], "each VF has its own"
        b.vf_put(2, "LAB_VF_PAD", 0)

        state = b.state(1)
        same(b.admin.mode(2, 1), adm.OK)
        same(b.admin.set(2, 3, state), adm.OK)
        same(parse(b.state(2, 2))[-1], pads[0], "staged")
        same(b.vf_get(2, "LAB_VF_PAD"), 0)
        same(b.admin.mode(2, 0), adm.OK)
        same(b.vf_get(2, "LAB_VF_PAD"), 5000)
        same(parse(b.state(2, 2))[-1], pads[0], "applied")
        b.vfs[2].flr()
        same(b.vf_get(2, "LAB_VF_PAD"), 5000, "a reset changes no register")


@test
def a_damaged_pad_is_refused(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        b.vf_put(1, "LAB_VF_PAD", 3001)
        state = b.state(1)
        same(b.admin.mode(1, 1), adm.OK)
        same(b.admin.set(1, 1, state), adm.OK)
        head = len(state) - 3001
        for off in (4, head + 4, head + 8, head + 16, len(state) - 1500, len(state) - 1):
            bad = bytearray(state)
            bad[off] ^= 1
            if off >= head:
                same(b.admin.set(1, 1, bytes(bad)), adm.BAD_FIELD, f"byte {off}")
        same(b.admin.set(1, 1, state[:-1]), adm.BAD_FIELD, "cut")
        same(b.admin.set(1, 1, state), adm.OK)


@test
def without_x_lab_a_pad_is_an_unknown_part(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        b.vf_put(1, "LAB_VF_PAD", 100)
        state = b.state(1)
    with Bench(qemu) as b:
        b.objects(1)
        same(b.admin.mode(1, 1), adm.OK)
        same(b.admin.set(1, 1, state), adm.BAD_FIELD)
        parts = parse(state)
        parts[-1] = parts[-1]._replace(flags=1)
        same(b.admin.set(1, 1, pack(parts)), adm.OK, "an optional one is passed over")


@test
def a_pad_may_be_a_gibibyte(qemu):
    with LabBench(qemu, extra=("-m", "2560")) as b:
        b.objects(1)
        plain = b.state(1)
        size = 1 << 30
        b.vf_put(1, "LAB_VF_PAD", size)
        same(struct.unpack("<II", b.admin.metadata(1, 0, adm.SIZE)[1])[0] >= size, True)
        room = b.m.alloc(size + (1 << 20)) + 4096
        queue = b.pf.queues[b.admin_index]

        def run(head, *pieces):
            b.m.write(head[0], head[1])
            queue.post(pieces)
            b.pf.kick(b.admin_index)
            return queue.wait()

        where = b.m.alloc(4096)
        get = struct.pack("<HH12xQHxxIB7x", adm.GET, adm.SRIOV, 1, 0, 0, adm.ALL)
        used = run((where, get), (where, len(get), 0), (room, size + 65536, 2))
        same((used, b.m.read(room, 8)), (8 + len(plain) + size, bytes(8)))

        same(b.admin.mode(1, 1), adm.OK)
        put = struct.pack("<HH12xQHxxI", adm.SET, adm.SRIOV, 1, 0, 1)
        start, length = room + 8 - len(put), len(put) + len(plain) + size
        same(run((start, put), (start, length, 0), (where, 8, 2)), 8)
        same(b.m.read(where, 8), bytes(8), "accepted")
        last = start + length - 1
        b.m.store(last, 1, b.m.load(last, 1) ^ 1)
        run((start, put), (start, length, 0), (where, 8, 2))
        same(struct.unpack("<HH", b.m.read(where, 4)), adm.BAD_FIELD, "its last byte damaged")


@test
def corrupts_a_byte_of_the_nth_get(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        b.vf_put(1, "LAB_VF_PAD", 64)
        good = b.state(1)
        for off in (0, 17, len(good) - 1):
            b.put("LAB_CORRUPT_OFFSET", off)
            b.put("LAB_CORRUPT_MASK", 0x81)
            b.put("LAB_CORRUPT_NTH", 2)
            same(b.state(1), good)
            want = bytearray(good)
            want[off] ^= 0x81
            same(b.state(1), bytes(want), f"byte {off}")
            same(b.state(1), good)
        b.put("LAB_CORRUPT_OFFSET", len(good))
        b.put("LAB_CORRUPT_NTH", 1)
        same(b.state(1), good, "past the end")


# ---- VFs that write ----


@test
def a_running_vf_writes_a_counter(qemu):
    with LabBench(qemu) as b:
        page = b.m.alloc(4096)

        def written():
            val = b.m.load(page, 8)
            same(val, b.vf_get(1, "LAB_VF_WRITES"))
            return val

        b.vf_put(1, "LAB_VF_WRITE_ADDR", page)
        b.vf_put(1, "LAB_VF_WRITE_US", 1000)
        for _ in range(10):
            b.m.step(1000000)
        same(written(), 10)
        for quiet, loud in ((lambda: b.admin.mode(1, 1), lambda: b.admin.mode(1, 0)),
                            (lambda: b.vfs[1].set(4, 2, 0x2), lambda: b.vfs[1].set(4, 2, 0x6))):
            quiet()
            before = written()
            b.m.settle()
            same(written(), before, "quiet")
            loud()
            b.m.settle()
            assert written() > before, "loud"
        b.nic.disable_vfs()
        before = written()
        b.m.settle()
        same(written(), before, "disabled")
        b.vfs = dict(enumerate(b.nic.enable_vfs(), 1))
        b.m.settle()
        assert written() > before, "and back"
        b.vf_put(1, "LAB_VF_WRITE_US", 500)
        same(b.vf_get(1, "LAB_VF_WRITES"), 0, "from 1 again")
        b.m.step(500000)
        same(written(), 1)
        b.vf_put(1, "LAB_VF_WRITE_US", 0)
        b.m.store(page, 8, 0)
        b.m.settle()
        same(written(), 0, "off")


@test
def a_refused_write_is_counted(qemu):
    with LabBench(qemu) as b:
        b.vf_put(1, "LAB_VF_WRITE_ADDR", 0xA0000000)
        b.vf_put(1, "LAB_VF_WRITE_US", 1000)
        for _ in range(5):
            b.m.step(1000000)
        same((b.vf_get(1, "LAB_VF_WRITES"), b.vf_get(1, "LAB_VF_REFUSED")), (5, 5))


@test
def a_vfs_status_is_told(qemu):
    with LabBench(qemu) as b:
        b.objects(1)
        stopped, staged, master, driver = (R["LAB_VF_" + n] for n in
                                           ("STOPPED", "STAGED", "MASTER", "DRIVER_OK"))

        def status():
            return b.vf_get(1, "LAB_VF_STATUS")

        same(status(), master)
        b.start_vf(1)
        same(status(), master | driver)
        state = b.state(1)
        b.admin.mode(1, 1)
        same(status(), stopped | master | driver)
        b.admin.set(1, 1, state)
        same(status(), stopped | staged | master | driver)
        b.vfs[1].flr()
        same(status(), 0)
