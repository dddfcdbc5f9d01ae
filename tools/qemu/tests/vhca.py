# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the emulated ConnectX by a driver's commands."""

import struct

import mlx5
from bench import same, test
from lab import R, SECOND, refused as refuses
from mlx5 import (BAD_IN_LEN, BAD_OP, BAD_OUT_LEN, BAD_PARAM, BAD_RES, BAD_STATE, BUSY, E, OK, PAGE,
                  RESUME_INITIATOR, RESUME_RESPONDER, SUSPEND_INITIATOR, SUSPEND_RESPONDER, SYND,
                  Connectx, Message, resealed)

GENERAL, GENERAL_2 = 0, 0x20
IDLE, READY, DIRTY, RENEWED = 1, 2, 3, 4
HEADER, BLOCK = 0x100, 16 + PAGE
MS = 10 ** 6


def refused(got, status, synd=None):
    same((got.delivery, got.status), (0, status), "status")
    if synd:
        same(got.synd, SYND["SYND_" + synd], "syndrome")


# ---- the command interface ----


@test
def vhca_has_the_initialization_segment(qemu):
    with Connectx(qemu) as n:
        same(n.peek(0x04) >> 16, 5, "revision of the command interface")
        same(n.peek(0x14) & 0xFFF, 5 << 4 | 6, "size of the command queue")
        same(n.peek(0x1FC) >> 31, 0, "initializing")
        same(n.peek(0x200 + 0x3C), 0, "health syndrome")
        before = n.peek(0x1010)
        n.m.step(100 * MS)
        assert n.peek(0x1010) > before, "the health counter does not tick"


@test
def vhca_refuses_what_it_does_not_know(qemu):
    with Connectx(qemu) as n:
        refused(n(0x7FF), BAD_OP)
        refused(n(mlx5.QUERY_HCA_CAP, op_mod=GENERAL << 1, out_len=64), BAD_OUT_LEN)
        refused(n(mlx5.SAVE, Message(16)), BAD_IN_LEN)
        refused(n(mlx5.QUERY_HCA_CAP, op_mod=0x3F << 1, out_len=4112), BAD_PARAM)


@test
def vhca_checks_the_delivery(qemu):
    with Connectx(qemu) as n:
        long = {"msg": Message(1100), "out_len": 16}
        same(n(mlx5.SAVE, **long, token=0xFF).delivery, 2, "token")
        same(n(mlx5.SAVE, **long, number=1).delivery, 3, "block number")
        same(n(mlx5.ALLOC_PD, type=0).delivery, 0x10, "type")
        same(n(mlx5.ALLOC_PD, out_len=4).delivery, 8, "output length")
        same(n(mlx5.ALLOC_PD).delivery, 0, "and a good one")


def cap(n, kind, bit, width, vf=0, current=1):
    msg = Message(16).put(0x40, 1, int(vf > 0)).put(0x50, 16, vf)
    out = n.ok(mlx5.QUERY_HCA_CAP, msg, kind << 1 | current, 4112).out
    return Message(out[16:]).take(bit, width)


@test
def vhca_tells_its_capabilities(qemu):
    for chunks in (0, 1):
        with Connectx(qemu, options=f"chunks={'off' if not chunks else 'on'}") as n:
            same(cap(n, GENERAL, 0x68D, 1), 1, "migration")
            same([cap(n, GENERAL, 0x30, 16, vf) for vf in (0, 1, 4)], [1, 2, 5], "vhca_id")
            same([cap(n, GENERAL_2, 0x80, 1, vf, 0) for vf in (0, 1, 4)], [0, 1, 1], "migratable")
            same(cap(n, GENERAL_2, 0xD0, 1), chunks, "migration_in_chunks")
            refused(n(mlx5.QUERY_HCA_CAP, Message(16).put(0x40, 1, 1).put(0x50, 16, 5),
                      out_len=4112), BAD_PARAM)


def make_eq(n, events, vector=1):
    ring = n.m.alloc(PAGE)
    n.m.write(ring, bytes(63 * [0] + [1]) * 64)
    msg = Message(0x118).put(8 * 0x10 + 0x63, 5, 6).put(8 * 0x10 + 0xB4, 12, vector)
    msg.put(0x2C0, 64, events).put(8 * 0x110, 64, ring)
    return n.ok(mlx5.CREATE_EQ, msg).out.take(0x58, 8), ring


@test
def vhca_sends_an_event_for_a_command(qemu):
    with Connectx(qemu) as n:
        uar = n.ok(mlx5.ALLOC_UAR).object
        assert uar >= 16
        n.messages = n.m.alloc(PAGE)
        for i, val in enumerate((n.messages, 0, 0x1001, 0)):
            n.m.store(n.msix + 16 + 4 * i, 4, val)
        cap = n.pf.cap(0x11)
        n.pf.set(cap + 2, 2, 1 << 15)

        eqn, ring = make_eq(n, 1 << mlx5.CMD_EVENT)
        same(n.m.load(ring + 63, 1), 1, "event for the command that made the queue")
        n.ok(mlx5.ALLOC_PD)
        eqe = n.m.read(ring, 64)
        same((eqe[1], eqe[32:36], eqe[63]), (mlx5.CMD_EVENT, b"\0\0\0\1", 0), "first event")
        same(n.m.load(n.messages, 4), 0, "interrupt of a queue that is not armed")
        n.poke(uar * PAGE + 0x40, eqn << 24)
        same(n.m.load(n.messages, 4), 0x1001, "interrupt at arming, as there is an event")
        n.m.store(n.messages, 4, 0)
        n.ok(mlx5.ALLOC_PD)
        same(n.m.load(n.messages, 4), 0, "interrupt once only")
        n.poke(uar * PAGE + 0x40, eqn << 24 | 2)
        for i in range(2, 66):
            n.ok(mlx5.ALLOC_PD)
            same(n.m.load(ring + 64 * (i % 64) + 63, 1), i // 64, f"owner of event {i}")
            n.poke(uar * PAGE + 0x48, eqn << 24 | i + 1)
        same(n.m.load(n.messages, 4), 0x1001, "interrupt after arming")
        n.ok(mlx5.DESTROY_EQ, Message(16).put(0x58, 8, eqn))
        refused(n(mlx5.DESTROY_EQ, Message(16).put(0x58, 8, eqn)), BAD_RES)


@test
def vhca_takes_commands_together(qemu):
    with Connectx(qemu) as n:
        bell, n.poke = n.poke, lambda off, val: None
        sent = [n.send(mlx5.ALLOC_PD, slot=slot) for slot in range(5)]
        n.poke = bell
        same([n.answer(s) for s in sent], [None] * 5, "before the doorbell")
        n.poke(0x18, 0x1F)
        same(len({n.answer(s).object for s in sent}), 5, "objects")


# ---- keys ----


@test
def vhca_guards_its_keys(qemu):
    with Connectx(qemu) as n:
        pd = n.ok(mlx5.ALLOC_PD).object
        key = n.key(PAGE, pd=pd)
        refused(n(mlx5.DEALLOC_PD, Message(16).put(0x48, 24, pd)), BUSY)
        n.stop(1)
        refused(n.save(1, key, size=PAGE + 1), BAD_PARAM, "KEY")
        refused(n.save(1, n.key(PAGE, write=0)), BAD_PARAM, "KEY")
        refused(n.save(1, n.key(PAGE), size=HEADER - 1), BAD_PARAM, "ROOM")
        same(n.save(1, key).status, OK)
        n.ok(mlx5.DESTROY_MKEY, Message(16).put(0x48, 24, key.mkey >> 8))
        refused(n.save(1, key), BAD_PARAM, "KEY")
        n.ok(mlx5.DEALLOC_PD, Message(16).put(0x48, 24, pd))
        refused(n(mlx5.CREATE_MKEY, n.mkey_msg(pd, [PAGE])), BAD_RES)


# ---- the engine ----


def ticks(n, count):
    for _ in range(count):
        n.m.step(100000)


@test
def vhca_engine_writes_its_pattern(qemu):
    with Connectx(qemu) as n:
        vf, area = n.vfs[1], n.m.alloc(4 * PAGE)
        vf.run(area, 4 * PAGE, stride=PAGE + 8, seed=1000)
        ticks(n, 3)
        same(vf.reg("ENGINE_COUNT"), 3, "count")
        for i in range(3):
            same(n.m.load(area + i * (PAGE + 8), 8), 1000 + i, f"write {i}")
        vf.set(4, 2, 0)
        ticks(n, 3)
        same(vf.reg("ENGINE_COUNT"), 3, "without bus mastering")
        vf.set(4, 2, 4)
        ticks(n, 1)
        same(vf.reg("ENGINE_COUNT"), 4, "it is not made up for")
        vf.put("ENGINE_CONTROL", 2)
        same(vf.reg("ENGINE_CONTROL"), 1, "values out of range are not taken")
        vf.put("ENGINE_COUNT", 7)
        same(vf.reg("ENGINE_COUNT"), 4, "nor is what is read-only")


@test
def vhca_suspends_in_two_steps(qemu):
    with Connectx(qemu) as n:
        vf, area = n.vfs[1], n.m.alloc(PAGE)
        refused(n.suspend(1, SUSPEND_RESPONDER), BAD_STATE, "SUSPENDED")
        refused(n.resume(1, RESUME_INITIATOR), BAD_STATE, "SUSPENDED")
        vf.run(area, PAGE, stride=0)
        ticks(n, 2)
        same(n.suspend(1, SUSPEND_INITIATOR).status, OK)
        ticks(n, 3)
        same((vf.reg("ENGINE_COUNT"), n.m.load(area, 8)), (2, 1), "no DMA")
        vf.scratch(0, 5)
        same(vf.scratch(0), 5, "its BAR answers")
        refused(n.suspend(1, SUSPEND_INITIATOR), BAD_STATE, "SUSPENDED")
        same(n.suspend(1, SUSPEND_RESPONDER).status, OK)
        vf.scratch(0, 6)
        same(vf.scratch(0), 2 ** 64 - 1, "its BAR refuses")
        refused(n.resume(1, RESUME_INITIATOR), BAD_STATE, "SUSPENDED")
        n.go_on(1)
        same(vf.scratch(0), 5, "and took nothing")
        ticks(n, 1)
        same(vf.reg("ENGINE_COUNT"), 3, "it goes on")
        refused(n.suspend(5, SUSPEND_INITIATOR), BAD_PARAM)
        refused(n.suspend(0, SUSPEND_INITIATOR), BAD_PARAM)


# ---- save and load ----


@test
def vhca_moves_a_state(qemu):
    for pad in (0, 1, PAGE, 3 * PAGE + 100):
        with Connectx(qemu, options=f"x-pad={pad}") as n:
            src, dst, area = n.vfs[1], n.vfs[2], n.m.alloc(PAGE)
            src.run(area, PAGE, stride=8, seed=50)
            src.scratch(13, 0x1122334455667788)
            ticks(n, 5)
            n.stop(1)
            image, more = n.image(1)
            same(more, 0, "it is all of it")
            same(n.image(1)[0], image, "a second save")
            blocks = -(-pad // PAGE)
            same(len(image), HEADER + 16 * blocks + pad, "length")
            refused(n.load(2, image), BAD_STATE, "NOT_SUSPENDED")
            n.stop(2)
            same(n.load(2, image).status, OK)
            n.go_on(2)
            same(dst.scratch(13), 0x1122334455667788, "scratch register")
            same(dst.reg("ENGINE_COUNT"), 5, "count")
            ticks(n, 2)
            same([n.m.load(area + 8 * i, 8) for i in (4, 5, 6, 7)], [54, 55, 56, 0], "pattern")


@test
def vhca_saves_what_changed(qemu):
    with Connectx(qemu, options=f"x-pad={8 * PAGE}") as n:
        src, area = n.vfs[1], n.m.alloc(PAGE)
        same(n.query(1), (HEADER + 8 * BLOCK, HEADER + 8 * BLOCK, IDLE), "at first")
        refused(n.query(1, inc=1), BAD_STATE, "NO_SESSION")
        refused(n.save(1, n.key(PAGE)), BAD_STATE, "NOT_SUSPENDED")
        full, _ = n.image(1, track=1)
        same(len(full), HEADER + 8 * BLOCK, "first image")
        same(n.query(1, inc=1), (0, 0, READY), "nothing changed")
        src.run(area, PAGE, stride=0)
        same(n.query(1, inc=1), (HEADER, HEADER, RENEWED), "set up")
        ticks(n, 3)
        second, _ = n.image(1, inc=1, track=1)
        same(len(second), HEADER + 3 * BLOCK, "second image")
        same(n.query(1, inc=1)[2], READY)
        ticks(n, 2)
        same(n.query(1, inc=1), (HEADER + 2 * BLOCK,) * 2 + (DIRTY,), "dirty")
        n.stop(1)
        refused(n.save(1, n.key(8 * PAGE), inc=1, track=1), BAD_STATE, "SUSPENDED")
        final, more = n.image(1, inc=1)
        same((len(final), more), (HEADER + 2 * BLOCK, 0), "final image")
        refused(n.query(1, inc=1), BAD_STATE, "NO_SESSION")
        n.stop(2)
        for image in (full, second, final):
            same(n.load(2, image).status, OK)
        n.go_on(2)
        same(n.vfs[2].reg("ENGINE_COUNT"), 5, "count")


@test
def vhca_ends_tracking(qemu):
    with Connectx(qemu) as n:
        n.image(1, track=1)
        got = n.save(1, mlx5.Key(n, 0, []))
        same((got.status, got.out.take(0x40, 32)), (OK, 0), "without a buffer")
        refused(n.query(1, inc=1), BAD_STATE, "NO_SESSION")


@test
def vhca_saves_in_chunks(qemu):
    with Connectx(qemu, options=f"x-pad={20 * PAGE}") as n:
        n.vfs[1].scratch(0, 77)
        same(n.query(1, chunk=1)[:2], (HEADER + 20 * BLOCK,) * 2, "below the size of a chunk")
        n.stop(1)
        images, more = [], HEADER + 20 * BLOCK
        while more:
            image, more = n.image(1, inc=len(images) > 0, room=8 * PAGE)
            images.append(image)
        same([len(i) for i in images], [HEADER + 7 * BLOCK, HEADER + 7 * BLOCK, HEADER + 6 * BLOCK])
        n.stop(2)
        for image in images[:-1]:
            same(n.load(2, image).status, OK)
            refused(n.resume(2, RESUME_RESPONDER), BAD_STATE, "INCOMPLETE")
        same(n.load(2, images[-1]).status, OK)
        n.go_on(2)
        same(n.vfs[2].scratch(0), 77)


@test
def vhca_wants_room_for_all_without_chunks(qemu):
    with Connectx(qemu, options=f"chunks=off,x-pad={2 * PAGE}") as n:
        refused(n.query(1, chunk=1), BAD_PARAM)
        n.stop(1)
        refused(n.save(1, n.key(2 * PAGE)), BAD_PARAM, "ROOM")
        same(n.save(1, n.key(3 * PAGE)).status, OK)


@test
def vhca_moves_a_gibibyte_through_a_window(qemu):
    with Connectx(qemu, options=f"x-pad={2 ** 30}") as n:
        n.vfs[1].scratch(0, 88)
        total = HEADER + 2 ** 18 * BLOCK
        same(n.query(1, chunk=1)[:2], (8 * 2 ** 20, total), "what it asks for, and all of it")
        window = n.key(8 * 2 ** 20)
        n.stop(1)
        n.stop(2)
        moved = images = 0
        more = 1
        while more:
            got = n.save(1, window, inc=images > 0)
            assert got.status == OK, got
            size, more = got.out.take(0x40, 32), got.out.take(0x60, 32)
            msg = n.vhca(2, 32).put(0xC0, 32, window.mkey).put(0xE0, 32, size)
            n.ok(mlx5.LOAD, msg)
            moved += size
            images += 1
        same(moved, total + (images - 1) * HEADER, "bytes")
        n.go_on(2)
        same(n.vfs[2].scratch(0), 88)


@test
def vhca_moves_a_long_image(qemu):
    with Connectx(qemu, options=f"chunks=off,x-pad={48 * 2 ** 20}") as n:
        size = n.query(1)[0]
        pages = n.m.alloc(size)
        key = n.key(0, pages=[pages + i for i in range(0, size, PAGE)])
        n.stop(1)
        got = n.save(1, key)
        same((got.status, got.out.take(0x40, 32), got.out.take(0x60, 32)), (OK, size, 0))
        n.stop(2)
        n.ok(mlx5.LOAD, n.vhca(2, 32).put(0xC0, 32, key.mkey).put(0xE0, 32, size))
        n.m.write(pages + size - 1, b"!")
        n.stop(3)
        refused(n(mlx5.LOAD, n.vhca(3, 32).put(0xC0, 32, key.mkey).put(0xE0, 32, size)),
                BAD_PARAM, "IMAGE_CHECKSUM")


@test
def vhca_validates_images(qemu):
    with Connectx(qemu, options=f"x-pad={PAGE}") as n:
        n.stop(1)
        image, _ = n.image(1)
        n.stop(2)
        for what, bad, synd in (
                ("short", image[:-1], "LENGTH"),
                ("no header", image[:16], "LENGTH"),
                ("magic", resealed(image, 0, b"\0"), "VERSION"),
                ("version", resealed(image, 4, b"\2"), "VERSION"),
                ("type", resealed(image, 8, b"\7"), "TYPE"),
                ("checksum", image[:0x48] + b"\1" + image[0x49:], "CHECKSUM"),
                ("its checksum", image[:0x28] + bytes(4) + image[0x2C:], "CHECKSUM"),
                ("not the first", resealed(image, 0x0C, b"\1"), "ORDER"),
                ("flags", resealed(image, 6, b"\x81"), "CONTENT"),
                ("pad too long", resealed(image, 0x18, struct.pack("<Q", 1 << 40)), "CONTENT"),
                ("blocks too many", resealed(image, 0x20, b"\2"), "LENGTH"),
                ("blocks missing", resealed(image, 0x18, struct.pack("<Q", 2 * PAGE)), "CONTENT"),
                ("register", resealed(image, 0x48, b"\2"), "CONTENT"),
                ("number of a block", resealed(image, 0x100, b"\1"), "CONTENT"),
                ("version of a block", resealed(image, 0x104, b"\1"), "CONTENT"),
                ("byte of a block", resealed(image, 0x200, bytes([image[0x200] ^ 1])), "CONTENT")):
            try:
                refused(n.load(2, bad), BAD_PARAM, "IMAGE_" + synd)
            except AssertionError as wrong:
                raise AssertionError(f"{what}: {wrong}") from None
            refused(n.resume(2, RESUME_RESPONDER), BAD_STATE, "INCOMPLETE")
        same(n.load(2, image).status, OK, "a first image begins anew")
        n.go_on(2)


@test
def vhca_keeps_images_in_order(qemu):
    with Connectx(qemu, options=f"x-pad={2 * PAGE}") as n:
        images = [n.image(1, track=1)[0]]
        for _ in range(2):
            n.vfs[1].scratch(0, len(images))
            images.append(n.image(1, inc=1, track=1)[0])
        n.stop(1)
        images.append(n.image(1, inc=1)[0])
        n.stop(3)
        other = n.image(3)[0]
        n.stop(2)
        for what, order in (("one is missing", (0, 2)), ("one comes twice", (0, 1, 1)),
                            ("after the final one", (0, 1, 2, 3, 3))):
            got = [n.load(2, images[i]) for i in order]
            assert all(g.status == OK for g in got[:-1]), what
            refused(got[-1], BAD_PARAM, "IMAGE_ORDER")
        same(n.load(2, images[0]).status, OK)
        refused(n.load(2, resealed(other, 0x0C, b"\1")), BAD_PARAM, "IMAGE_ORDER")


@test
def vhca_reset_forgets(qemu):
    with Connectx(qemu, options=f"x-pad={PAGE}") as n:
        vf = n.vfs[1]
        for what in ("flr", "disable"):
            vf.scratch(0, 9)
            n.image(1, track=1)
            n.stop(1)
            if what == "flr":
                vf.flr()
                vf.set(4, 2, 4)
            else:
                n.ok(mlx5.DISABLE, Message(16).put(0x50, 16, 1))
                refused(n.query(1), BAD_PARAM)
                n.ok(mlx5.ENABLE, Message(16).put(0x50, 16, 1))
            same(vf.scratch(0), 0, f"{what}: scratch register")
            same(n.query(1)[2], IDLE, what)
            refused(n.resume(1, RESUME_RESPONDER), BAD_STATE, "SUSPENDED")
        pd = n.ok(mlx5.ALLOC_PD).object
        n.ok(mlx5.TEARDOWN)
        refused(n(mlx5.DEALLOC_PD, Message(16).put(0x48, 24, pd)), BAD_RES)
        same(E["ENGINE_REGS"], 24)


# ---- the lab block ----


def counter(op):
    return R["LAB_WIDE_COUNT"] + 8 * op


def with_lab(qemu):
    n = Connectx(qemu, options="x-lab=on")
    n.lab_put(R["LAB_RESET"], 1)
    return n


@test
def vhca_lab_counts(qemu):
    with Connectx(qemu) as n:
        same(n.pf.get(0x18, 4), 0, "BAR 2 without x-lab")
    with with_lab(qemu) as n:
        same(n.lab_get(R["LAB_ID"]), 0x10042414C)
        n.lab_put(R["LAB_MARK"], 0)
        n.stop(1)
        n.lab_put(R["LAB_MARK"], 1)
        n.go_on(1)
        n(0x7FF)
        same([n.lab_get(counter(op)) for op in (mlx5.SUSPEND, mlx5.RESUME, mlx5.SAVE, 0x7FF)],
             [2, 2, 0, 1], "counts")
        same(n.lab_get(R["LAB_WIDE_BETWEEN"] + 8 * mlx5.SUSPEND), 2, "between marks")
        same(n.lab_get(R["LAB_WIDE_BETWEEN"] + 8 * mlx5.RESUME), 0, "between marks")
        same(n.lab_get(R["LAB_TOTAL"]), 5, "total")
        same(n.m.qmp("qom-get", path="nic", property=f"lab-count-{mlx5.SUSPEND}"), 2, "property")
        assert refuses(lambda: n.m.qmp("qom-get", path="nic", property="lab-count-2047"))
        n.key(PAGE)
        same(n.lab_get(R["LAB_OBJECTS"]), 2, "objects")


@test
def vhca_lab_delays_and_holds(qemu):
    with with_lab(qemu) as n:
        n.lab_put(R["LAB_DELAY_US"], 1000000)
        n.lab_put(R["LAB_MEMBER"], 1)
        slow = n.send(mlx5.SUSPEND, n.vhca(1))
        same(n(mlx5.SUSPEND, n.vhca(2), slot=1).status, OK, "another VF")
        n.poke(0x18, 1)
        n.m.step(SECOND - 1)
        same(n.answer(slow), None, "before its time")
        n.m.step(1)
        same(n.answer(slow).status, OK, "and only once")
        n.lab_put(R["LAB_DELAY_US"], 0)
        n.lab_put(R["LAB_DROP_OPCODE"], mlx5.SUSPEND)
        n.lab_put(R["LAB_DROP_NTH"], 1)
        held = n.send(mlx5.SUSPEND, n.vhca(1), 1)
        same((n.answer(held), n.lab_get(R["LAB_HELD"])), (None, 1), "held")
        same(n.lab_get(0x1000) & 17, 17, "it was carried out")
        n.lab_put(R["LAB_RELEASE"], 1)
        same(n.answer(held).status, OK)
        n.lab_put(R["LAB_DROP_NTH"], 1)
        held = n.send(mlx5.SUSPEND, n.vhca(1), 1)
        n.set_queue()
        same(n.lab_get(R["LAB_HELD"]), 0, "a new queue forgets")


@test
def vhca_lab_fails_commands(qemu):
    with with_lab(qemu) as n:
        for flags, suspended in ((0, 0), (R["LAB_FAIL_AFTER"], 16)):
            n.lab_put(R["LAB_FAIL_OPCODE"], mlx5.SUSPEND)
            n.lab_put(R["LAB_FAIL_STATUS"], 0x12340001)
            n.lab_put(R["LAB_FAIL_FLAGS"], flags)
            n.lab_put(R["LAB_FAIL_NTH"], 2)
            same(n.suspend(2, 0).status, OK, "the first")
            got = n.suspend(1, 0)
            same((got.status, got.synd), (1, 0x1234), "the second")
            same(n.lab_get(0x1000) & 16, suspended, "carried out")
            n(mlx5.RESUME, n.vhca(2), RESUME_INITIATOR)


@test
def vhca_lab_pads_and_damages(qemu):
    with with_lab(qemu) as n:
        n.lab_put(0x1000 + R["LAB_VF_PAD"], 5000)
        same(n.query(1)[0], HEADER + 2 * BLOCK, "size")
        n.stop(1)
        n.lab_put(R["LAB_CORRUPT_OFFSET"], 0x333)
        n.lab_put(R["LAB_CORRUPT_MASK"], 0x10)
        n.lab_put(R["LAB_CORRUPT_NTH"], 1)
        n.stop(2)
        refused(n.load(2, n.image(1)[0]), BAD_PARAM, "IMAGE_CHECKSUM")
        same(n.load(2, n.image(1)[0]).status, OK)
        n.go_on(2)
        same(n.lab_get(0x1040 + R["LAB_VF_PAD"]), 5000, "the pad moves")


@test
def vhca_lab_hides_what_the_firmware_can_do(qemu):
    every = sum(R["LAB_CAN_" + name] for name in
                ("MIGRATE", "VF", "PRECOPY", "STATE", "CHUNKS", "TRACK"))
    with Connectx(qemu, options="x-lab=on,precopy=off,fw-version=22.35.1012") as n:
        same((n.peek(0), n.peek(4) & 0xFFFF), (35 << 16 | 22, 1012), "version")
        same(n.lab_get(R["LAB_FEATURES"]), every - R["LAB_CAN_PRECOPY"], "as the properties say")
        refused(n.save(1, n.key(PAGE), track=1), BAD_PARAM)
        n.lab_put(R["LAB_FEATURES"], every)
        n.image(1, track=1)
        same(n.query(1, inc=1)[2], READY)
        n.lab_put(R["LAB_FEATURES"], every - R["LAB_CAN_STATE"])
        same(n.query(1, inc=1)[2], 0, "no migration state")
        n.lab_put(R["LAB_FEATURES"], every - R["LAB_CAN_CHUNKS"])
        refused(n.query(1, chunk=1), BAD_PARAM)
        caps = (("CAN_MIGRATE", GENERAL, 0x68D, 0, 1), ("CAN_VF", GENERAL_2, 0x80, 1, 0),
                ("CAN_PRECOPY", GENERAL_2, 0xC8, 0, 1), ("CAN_PRECOPY", GENERAL_2, 0xC9, 0, 1),
                ("CAN_STATE", GENERAL_2, 0xD9, 0, 1), ("CAN_CHUNKS", GENERAL_2, 0xD0, 0, 1),
                ("CAN_TRACK", GENERAL, 0x579, 0, 1))
        for name, kind, bit, vf, current in caps:
            for has in (1, 0):
                n.lab_put(R["LAB_FEATURES"], every if has else every - R["LAB_" + name])
                same(cap(n, kind, bit, 1, vf, current), has, name)
        for name in ("CAN_MIGRATE", "CAN_VF"):
            n.lab_put(R["LAB_FEATURES"], every - R["LAB_" + name])
            refused(n.suspend(1, SUSPEND_INITIATOR), BAD_PARAM)
        n.lab_put(R["LAB_FEATURES"], every - R["LAB_CAN_TRACK"])
        refused(Tracker(n, 1, ((0, PAGE),)).made, BAD_PARAM)
        n.lab_put(R["LAB_FEATURES"], every + 1)
        n.lab_put(R["LAB_RESET"], 1)
        same(n.lab_get(R["LAB_FEATURES"]), every - R["LAB_CAN_PRECOPY"], "as at first")


@test
def vhca_lab_breaks_the_firmware(qemu):
    def health(n):
        return n.peek(0x238) >> 24, n.peek(0x23C) >> 16 & 0xFF, n.peek(0x230)

    with with_lab(qemu) as n:
        n.vfs[1].scratch(0, 9)
        pd = n.ok(mlx5.ALLOC_PD).object
        same(health(n), (0, 0, 28 << 24 | 41 << 16 | 1000))
        n.lab_put(R["LAB_DROP_OPCODE"], mlx5.SUSPEND)
        n.lab_put(R["LAB_DROP_NTH"], 1)
        held = n.send(mlx5.SUSPEND, n.vhca(1), 0)
        n.lab_put(R["LAB_HEALTH"], R["LAB_MUTE"] | R["LAB_STILL"])
        before = n.peek(0x1010)
        n.m.step(SECOND)
        same(n.peek(0x1010), before, "the counter")
        late = n.send(mlx5.ALLOC_PD, slot=1)
        n.lab_put(R["LAB_RELEASE"], 1)
        same((n.answer(late), n.answer(held), n.lab_get(R["LAB_HELD"])), (None, None, 0), "mute")
        n.lab_put(R["LAB_HEALTH"], 0)
        same((n.answer(late).status, n.answer(held)), (OK, None), "well again")
        assert n.peek(0x1010) > before + 99, "the counter goes on"
        n.lab_put(R["LAB_HEALTH"], R["LAB_FATAL"] | R["LAB_MUTE"])
        same(health(n)[:2], (0x8A, 1), "it asks for a reset")
        assert n.peek(0x1FC) >> 30 & 1, "and can be reset"
        low = n.peek(0x14)
        n.poke(0x14, low & ~0xFFF | 7 << 8)
        same((n.peek(0x14) >> 8 & 7, health(n)[:2], n.lab_get(R["LAB_HEALTH"])), (1, (0, 0), 0), "reset")
        same((n.vfs[1].scratch(0), n.lab_get(0x1000) & 17), (0, 0), "VFs too")
        same(n.answer(n.send(mlx5.ALLOC_PD, slot=2)), None, "nobody drives it")
        n.set_queue()
        refused(n.query(1), BAD_PARAM)
        refused(n(mlx5.DEALLOC_PD, Message(16).put(0x48, 24, pd)), BAD_RES)
        n.ok(mlx5.ENABLE, Message(16).put(0x50, 16, 1))
        same(n.query(1)[2], IDLE)
        n.lab_put(R["LAB_HEALTH"], R["LAB_GONE"])
        same((n.peek(0x230), n.peek(0x1010)), (2 ** 32 - 1,) * 2, "gone")
        n.lab_put(R["LAB_HEALTH"], 0)
        n.set_queue()
        refused(n.query(1), BAD_PARAM)


@test
def vhca_lab_changes_a_state(qemu):
    with with_lab(qemu) as n:
        n.lab_put(0x1000 + R["LAB_VF_PAD"], 8 * PAGE)
        n.image(1, track=1)
        same(n.query(1, inc=1), (0, 0, READY))
        n.lab_put(0x1000 + R["LAB_VF_TOUCH"], 3)
        same(n.query(1, inc=1), (HEADER + 3 * BLOCK,) * 2 + (DIRTY,), "touched")
        n.lab_put(0x1000 + R["LAB_VF_TOUCH"], 6)
        same(n.query(1, inc=1)[0], HEADER + 8 * BLOCK, "the others, and one again")
        n.image(1, inc=1, track=1)
        n.lab_put(0x1000 + R["LAB_VF_RENEW"], 1)
        same(n.query(1, inc=1), (HEADER, HEADER, RENEWED), "set up anew")
        n.image(1, inc=1, track=1)
        same(n.query(1, inc=1), (0, 0, READY))


@test
def vhca_goes_on_beside_a_save(qemu):
    with with_lab(qemu) as n:
        area = 0x1000000
        t = Tracker(n, 1, ((area, 16 * PAGE),))
        n.vfs[1].run(area, 16 * PAGE)
        n.lab_put(0x1000 + R["LAB_VF_PAD"], 8 * PAGE)
        key = n.key(HEADER + 8 * BLOCK)
        for slow, quick in (("LAB_DROP_NTH", "LAB_RELEASE"), ("LAB_DELAY_US", None)):
            n.lab_put(R["LAB_DROP_OPCODE"], mlx5.SAVE)
            n.lab_put(R["LAB_MEMBER"], 1)
            n.lab_put(R[slow], 1 if quick else 10 * MS)
            msg = n.vhca(1, 32).put(0x41, 1, 1).put(0xC0, 32, key.mkey).put(0xE0, 32, len(key))
            save = n.send(mlx5.SAVE, msg, slot=7)
            n.lab_put(R["LAB_MEMBER"], 4)
            same(n.query(3)[2], IDLE, "another VF")
            ticks(n, 4)
            same(len(t.report(area, 16 * PAGE)), 4, "a report")
            same(n.image(2, track=1)[1], 0, "a save of another VF")
            same(n.answer(save), None, "on its way")
            if quick:
                n.lab_put(R[quick], 1)
            else:
                n.m.step(10 * SECOND)
            same(n.answer(save).status, OK)
            n.vfs[1].run(area, 16 * PAGE)


@test
def vhca_lab_lets_a_vf_write(qemu):
    with with_lab(qemu) as n:
        area = n.m.alloc(PAGE)
        n.lab_put(0x1000 + R["LAB_VF_WRITE_ADDR"], area)
        n.lab_put(0x1000 + R["LAB_VF_WRITE_US"], 100)
        ticks(n, 3)
        same(n.m.load(area, 8), 3)
        n.suspend(1, SUSPEND_INITIATOR)
        ticks(n, 3)
        same(n.m.load(area, 8), 3, "a suspended initiator")


# ---- the page tracker ----


class Tracker:
    """A tracker of one VF, with the queues for its reports."""

    SLOTS = 4

    def __init__(self, n, number, ranges, log_page=12):
        self.n, self.log_page = n, log_page
        self.pd = n.ok(mlx5.ALLOC_PD).object
        self.eqn, self.events = make_eq(n, 0)
        self.cq_ring, self.cq_record = n.m.alloc(PAGE), n.m.alloc(PAGE)
        n.m.write(self.cq_ring, bytes(63 * [0] + [0xF0]) * 4)
        cqc = 8 * 0x10
        msg = Message(0x118).put(cqc + 0x63, 5, 2).put(cqc + 0xA0, 32, self.eqn)
        msg.put(cqc + 0x1C0, 64, self.cq_record).put(8 * 0x110, 64, self.cq_ring)
        self.cqn = n.ok(mlx5.CREATE_CQ, msg).object
        self.rq_ring, self.rq_record = n.m.alloc(PAGE), n.m.alloc(PAGE)
        self.key = n.key(self.SLOTS * PAGE, pd=self.pd)
        self.host = n.ok(mlx5.CREATE_QP, self.qp_msg(True)).object
        self.device = n.ok(mlx5.CREATE_QP, self.qp_msg(False)).object
        for qp, peer, steps in ((self.host, self.device, 2), (self.device, self.host, 3)):
            for step in range(steps):
                msg = Message(0x110).put(0x48, 24, qp).put(8 * 0x18 + 0xA8, 24, peer)
                n.ok(mlx5.RST2INIT_QP + step, msg, out_len=8)
        self.posted = self.seen = 0
        ctx = 8 * 0x10
        msg = Message(0x40 + 16 * len(ranges)).put(ctx + 0x50, 16, number + 1)
        msg.put(ctx + 0x93, 5, log_page).put(ctx + 0x9B, 5, 12).put(ctx + 0xA8, 24, self.device)
        msg.put(ctx + 0x88, 8, 30).put(ctx + 0xD8, 8, len(ranges))
        for i, (start, length) in enumerate(ranges):
            msg.put(8 * (0x40 + 16 * i), 64, start).put(8 * (0x48 + 16 * i), 64, length)
        self.made = n(mlx5.CREATE_OBJECT, msg, 0x46)
        self.id = self.made.out.take(0x40, 32)

    def qp_msg(self, receives):
        qpc = 8 * 0x18
        msg = Message(0x118).put(qpc + 0x28, 24, self.pd).put(qpc + 0x50, 1, 1)
        if not receives:
            return msg.put(qpc + 0x565, 3, 3)
        msg.put(qpc + 0x49, 4, 2).put(qpc + 0x4E8, 24, self.cqn)
        return msg.put(qpc + 0x500, 64, self.rq_record).put(8 * 0x110, 64, self.rq_ring)

    def post(self, count=1):
        for _ in range(count):
            slot = self.posted % self.SLOTS
            self.n.m.write(self.rq_ring + 16 * slot,
                           struct.pack(">IIQ", PAGE, self.key.mkey, slot * PAGE))
            self.posted += 1
        self.n.m.write(self.rq_record, struct.pack(">I", self.posted & 0xFFFF))

    def arm(self):
        self.n.poke(16 * PAGE + 0x20, self.seen)
        self.n.poke(16 * PAGE + 0x24, self.cqn)

    def obj(self, op, state=0, start=0, length=0):
        msg = Message(0x40).put(0x40, 32, self.id).put(8 * 0x10, 64, 3)
        msg.put(8 * 0x10 + 0x80, 4, state)
        msg.put(8 * 0x10 + 0x100, 64, start).put(8 * 0x10 + 0x140, 64, length)
        return self.n(op, msg, 0x46, out_len=0x40)

    def state(self):
        return self.obj(mlx5.QUERY_OBJECT).out.take(8 * 0x10 + 0x80, 4)

    def ask(self, start, length):
        got = self.obj(mlx5.MODIFY_OBJECT, 1, start, length)
        assert got.status == OK, got

    def next(self):
        """The state and the pages of the next message, or None."""
        cqe = self.n.m.read(self.cq_ring + 64 * (self.seen % 4), 64)
        if cqe[63] >> 4 == 0xF or (cqe[63] & 1) != (self.seen >> 2 & 1):
            return None
        same(cqe[63] >> 4, 3, "opcode of the completion")
        slot, size = struct.unpack(">H", cqe[60:62])[0], struct.unpack(">I", cqe[44:48])[0]
        page = self.key.pages[slot % self.SLOTS]
        self.seen += 1
        self.n.m.write(self.cq_record, struct.pack(">I", self.seen))
        return cqe[36] >> 4, struct.unpack(f">{size // 8}Q", self.n.m.read(page, size) if size else b"")

    def report(self, start, length):
        """All pages of a range; posts buffers as needed."""
        pages, state = [], 1
        self.ask(start, length)
        while state == 1:
            got = self.next()
            if got is None:
                assert self.posted - self.seen < self.SLOTS, "there is a buffer, and no message"
                self.post()
                self.arm()
                continue
            state = got[0]
            pages += got[1]
        same(state, 0, "state")
        return sorted(pages)


@test
def vhca_tracks_pages(qemu):
    with Connectx(qemu) as n:
        area = 0x1000000
        ranges = ((area, 8 * PAGE), (area + 16 * PAGE + 0x800, PAGE))
        t = Tracker(n, 1, ranges)
        same(t.made.status, OK)
        same(t.report(area, 64 * PAGE), [], "at first")
        for number, base in ((2, area), (1, area + 8 * PAGE - 4), (1, area + 16 * PAGE),
                             (1, area + 16 * PAGE + 0x7F8), (1, area + 17 * PAGE + 0x7F8),
                             (1, area + 17 * PAGE + 0x800)):
            n.vfs[number].run(base, 8, stride=0)
            ticks(n, 1)
            n.vfs[number].put("ENGINE_CONTROL", 0)
        same(t.report(area, 64 * PAGE), [area + 7 * PAGE, area + 17 * PAGE], "edges of ranges")
        same(t.report(area, 64 * PAGE), [], "a report forgets")
        n.vfs[1].run(area, 8 * PAGE)
        ticks(n, 8)
        n.vfs[1].put("ENGINE_CONTROL", 0)
        same(t.report(area + 2 * PAGE, 2 * PAGE), [area + 2 * PAGE, area + 3 * PAGE], "some")
        same(len(t.report(area, 8 * PAGE)), 6, "the rest")
        refused(n(mlx5.DESTROY_QP, Message(16).put(0x48, 24, t.device)), BUSY)
        same(t.obj(mlx5.DESTROY_OBJECT).status, OK)
        refused(t.obj(mlx5.QUERY_OBJECT), BAD_RES)
        for op, number in ((mlx5.DESTROY_QP, t.device), (mlx5.DESTROY_QP, t.host),
                           (mlx5.DESTROY_CQ, t.cqn)):
            n.ok(op, Message(16).put(0x48, 24, number))


@test
def vhca_reports_in_many_messages(qemu):
    with Connectx(qemu) as n:
        area, count = 0x1000000, 512 * 6 + 1
        t = Tracker(n, 1, ((area, count * PAGE),))
        n.vfs[1].run(area, count * PAGE, batch=4096, period=100)
        ticks(n, 1)
        n.vfs[1].put("ENGINE_CONTROL", 0)
        t.ask(area, count * PAGE)
        same((t.next(), t.state()), (None, 1), "it waits for a buffer")
        refused(t.obj(mlx5.MODIFY_OBJECT, 1, area, PAGE), BAD_STATE)
        t.post()
        same(t.next(), None, "and looks at an arming")
        t.arm()
        state, pages = t.next()
        same((state, len(pages)), (1, 512), "a full message")
        pages = list(pages)
        while state:
            t.post()
            t.arm()
            state, more = t.next()
            pages += more
        same(sorted(pages), [area + i * PAGE for i in range(count)])


@test
def vhca_tracker_overflows(qemu):
    with Connectx(qemu, options="x-track-pages=4") as n:
        area = 0x1000000
        _, ring = make_eq(n, 1 << 0x27)
        t = Tracker(n, 1, ((area, 64 * PAGE),), log_page=13)
        n.vfs[1].run(area, 64 * PAGE)
        ticks(n, 8)
        same(t.state(), 0, "pages of 8 KiB")
        ticks(n, 1)
        same(t.state(), 2, "overflow")
        eqe = n.m.read(ring, 64)
        same((eqe[1], struct.unpack(">HI", eqe[34:40])), (0x27, (0x46, t.id)), "event")
        refused(t.obj(mlx5.MODIFY_OBJECT, 1, area, PAGE), BAD_STATE)


@test
def vhca_lab_limits_a_tracker(qemu):
    with with_lab(qemu) as n:
        area = 0x1000000
        t = Tracker(n, 1, ((area, 64 * PAGE),))
        n.lab_put(R["LAB_TRACK_PAGES"], 4)
        n.vfs[1].run(area, 64 * PAGE)
        ticks(n, 4)
        same(len(t.report(area, 64 * PAGE)), 4, "as many as it holds")
        ticks(n, 5)
        same(t.state(), 2, "overflow")


@test
def vhca_tracks_large_pages(qemu):
    with Connectx(qemu) as n:
        for log_page in (16, 21, 30):
            size = 1 << log_page
            t = Tracker(n, 1, ((size, 2 * size - 8), (16 * size + 8, size)), log_page=log_page)
            same(t.made.status, OK)
            for addr in (size - 8, size, 3 * size - 16, 3 * size - 8, 16 * size, 17 * size):
                n.vfs[1].run(addr, 8, stride=0)
                ticks(n, 1)
                n.vfs[1].put("ENGINE_CONTROL", 0)
            same(t.report(size, 16 * size), [size, 2 * size], "pages of the first range")
            same(t.report(0, 2 ** 36), [17 * size], "and of the second")
            same(t.obj(mlx5.DESTROY_OBJECT).status, OK)
