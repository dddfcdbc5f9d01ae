# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal mlx5 driver for the emulated ConnectX."""

import os
import re
import struct
import zlib

from pci import BAR_LAB, PREFETCH, WINDOW, Function
from qtest import Machine

QUERY_HCA_CAP, ENABLE, DISABLE, TEARDOWN = 0x100, 0x104, 0x105, 0x103
SUSPEND, RESUME, QUERY, SAVE, LOAD = 0x115, 0x116, 0x117, 0x118, 0x119
CREATE_MKEY, DESTROY_MKEY, CREATE_EQ, DESTROY_EQ = 0x200, 0x202, 0x301, 0x302
CREATE_CQ, DESTROY_CQ, CREATE_QP, DESTROY_QP, RST2INIT_QP = 0x400, 0x401, 0x500, 0x501, 0x502
CREATE_OBJECT, MODIFY_OBJECT, QUERY_OBJECT, DESTROY_OBJECT = 0xA00, 0xA01, 0xA02, 0xA03
ALLOC_PD, DEALLOC_PD, ALLOC_UAR, DEALLOC_UAR = 0x800, 0x801, 0x802, 0x803
SUSPEND_INITIATOR, SUSPEND_RESPONDER = 0, 1
RESUME_RESPONDER, RESUME_INITIATOR = 0, 1
OK, BAD_OP, BAD_PARAM, BAD_RES, BUSY, BAD_STATE = 0, 2, 3, 5, 6, 9
BAD_IN_LEN, BAD_OUT_LEN = 0x50, 0x51
PAGE, CMD_EVENT = 4096, 0x0A


def numbers(header):
    """The plain numbers of one of the device's headers."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../mlx5-vhca", header)
    with open(path, encoding="ascii") as text:
        return {name: int(val, 0) for name, val in
                re.findall(r"^#define (\w+)\s+(0x[0-9a-f]+|\d+)(?:ull)?\b", text.read(), re.M)}


E = numbers("engine-regs.h")
SYND = {n: v for n, v in numbers("mlx5-vhca.h").items() if n.startswith("SYND_")}


class Message(bytearray):
    """An input or output; fields are a first bit and a width, as in the device."""

    def put(self, bit, width, val):
        size = 8 if width == 64 else 4
        at = bit // 32 * 4
        shift = 8 * size - (bit - 8 * at) - width
        word = int.from_bytes(self[at:at + size], "big")
        word = word & ~(((1 << width) - 1) << shift) | val << shift
        self[at:at + size] = word.to_bytes(size, "big")
        return self

    def take(self, bit, width):
        size = 8 if width == 64 else 4
        at = bit // 32 * 4
        word = int.from_bytes(self[at:at + size], "big")
        return word >> 8 * size - (bit - 8 * at) - width & (1 << width) - 1


class Answer:
    def __init__(self, delivery, out):
        self.delivery, self.out = delivery, out
        self.status, self.synd = out[0], out.take(0x20, 32)
        self.object = out.take(0x48, 24)

    def __repr__(self):
        return f"delivery {self.delivery}, status {self.status:#x}, syndrome {self.synd:#x}"


class Vf(Function):
    def __init__(self, machine, devfn, bar):
        super().__init__(machine, 1, devfn)
        self.bar = bar
        self.set(4, 2, 0x4)

    def reg(self, name, index=0):
        return self.m.load(self.bar + E["ENGINE_BASE"] + E[name] + 8 * index, 8)

    def put(self, name, val, index=0):
        self.m.store(self.bar + E["ENGINE_BASE"] + E[name] + 8 * index, 8, val)

    def scratch(self, index, val=None):
        at = self.bar + E["ENGINE_BASE"] + 0x50 + 8 * index
        return self.m.load(at, 8) if val is None else self.m.store(at, 8, val)

    def run(self, addr, length, stride=PAGE, period=100, batch=1, seed=0):
        for name, val in (("ADDRESS", addr), ("LENGTH", length), ("STRIDE", stride),
                          ("PERIOD_US", period), ("BATCH", batch), ("SEED", seed), ("CONTROL", 1)):
            self.put("ENGINE_" + name, val)


class Connectx:
    """The PF with its command queue in place and its VFs enabled."""

    def __init__(self, qemu, vfs=4, options="", enable=True):
        self.m = Machine(qemu, f"sriov-vfs={vfs},{options}", device="mlx5-vhca-pf")
        try:
            self.start(vfs, enable)
        except BaseException:
            self.m.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.m.close()

    def start(self, vfs, enable):
        port = Function(self.m, 0, 1 << 3)
        port.set(0x18, 4, 0x00010100)
        port.set(0x20, 4, (WINDOW | 0x00F00000) | WINDOW >> 16)
        port.set(0x24, 4, (PREFETCH | 0x00F00000) | PREFETCH >> 16)
        port.set(0x28, 4, 0)
        port.set(0x2C, 4, 0)
        port.set(0x04, 2, 0x6)
        self.pf = Function(self.m, 1, 0)
        self.bar, self.msix = PREFETCH, PREFETCH + 0x100000
        for bar, addr in ((0, self.bar), (4, self.msix)):
            self.pf.set(0x10 + 4 * bar, 4, addr)
            self.pf.set(0x14 + 4 * bar, 4, 0)
        self.pf.set(0x10 + 4 * BAR_LAB, 4, WINDOW)
        self.pf.set(4, 2, 0x6)
        self.queue = self.m.alloc(PAGE)
        self.token = 0
        self.set_queue()
        self.vfs = {}
        cap, base = self.pf.ext_cap(0x10), PREFETCH + 0x200000
        self.pf.set(cap + 0x24, 4, 0xFFFFFFFF)
        size = -(self.pf.get(cap + 0x24, 4) & ~0xF) & 0xFFFFFFFF
        self.pf.set(cap + 0x24, 4, base)
        self.pf.set(cap + 0x28, 4, 0)
        self.pf.set(cap + 0x10, 2, vfs)
        self.pf.set(cap + 0x08, 2, 0x9)
        for number in range(1, vfs + 1):
            self.vfs[number] = Vf(self.m, number, base + (number - 1) * size)
            if enable:
                self.ok(ENABLE, Message(16).put(0x50, 16, number))

    def set_queue(self):
        self.poke(0x10, self.queue >> 32)
        self.poke(0x14, self.queue & 0xFFFFFFFF)

    def peek(self, off):
        return int.from_bytes(self.m.load(self.bar + off, 4).to_bytes(4, "little"), "big")

    def poke(self, off, val):
        self.m.store(self.bar + off, 4, int.from_bytes(val.to_bytes(4, "little"), "big"))

    def lab_get(self, reg):
        return self.m.load(WINDOW + reg, 8)

    def lab_put(self, reg, val):
        self.m.store(WINDOW + reg, 8, val)

    # ---- commands ----

    def boxes(self, data, token, wrong):
        """Make mailboxes with this data; returns the first one's address and all of them."""
        parts = [data[i:i + 512] for i in range(0, len(data), 512)]
        at = [self.m.alloc(1024) for _ in parts] + [0]
        for i, part in enumerate(parts):
            box = bytearray(576)
            box[:len(part)] = part
            box[560:568] = at[i + 1].to_bytes(8, "big")
            box[568:572] = (i + wrong.get("number", 0)).to_bytes(4, "big")
            box[573] = token ^ wrong.get("token", 0)
            self.m.write(at[i], bytes(box))
        return at[0], at[:-1]

    def send(self, opcode, msg=None, op_mod=0, out_len=16, slot=0, **wrong):
        """Put a command into the queue and ring its doorbell."""
        msg = Message(16) if msg is None else msg
        msg.put(0, 16, opcode).put(0x30, 16, op_mod)
        self.token = self.token % 255 + 1
        first_in, _ = self.boxes(bytes(msg[16:]), self.token, wrong)
        first_out, outs = self.boxes(bytes(max(out_len - 16, 0)), self.token, wrong)
        entry = bytearray(64)
        entry[0] = wrong.get("type", 7)
        entry[4:8] = len(msg).to_bytes(4, "big")
        entry[8:16] = first_in.to_bytes(8, "big")
        entry[16:32] = bytes(msg[:16]).ljust(16, b"\0")
        entry[48:56] = first_out.to_bytes(8, "big")
        entry[56:60] = out_len.to_bytes(4, "big")
        entry[60] = self.token
        entry[63] = 1
        self.m.write(self.queue + 64 * slot, bytes(entry))
        self.poke(0x18, 1 << slot)
        return slot, out_len, outs

    def answer(self, sent):
        """The answer, or None while the device has the command."""
        slot, out_len, outs = sent
        entry = self.m.read(self.queue + 64 * slot, 64)
        if entry[63] & 1:
            return None
        out = entry[32:48] + b"".join(self.m.read(at, 512) for at in outs)
        return Answer(entry[63] >> 1, Message(out[:max(out_len, 16)]))

    def __call__(self, opcode, msg=None, op_mod=0, out_len=16, **wrong):
        got = self.answer(self.send(opcode, msg, op_mod, out_len, **wrong))
        assert got is not None, "the command did not complete"
        return got

    def ok(self, *args, **kwargs):
        got = self(*args, **kwargs)
        assert not got.delivery and got.status == OK, got
        return got

    # ---- operations ----

    def vhca(self, number, size=16):
        return Message(size).put(0x50, 16, number + 1)

    def suspend(self, number, what):
        return self(SUSPEND, self.vhca(number), what)

    def resume(self, number, what):
        return self(RESUME, self.vhca(number), what)

    def stop(self, number):
        for what in (SUSPEND_INITIATOR, SUSPEND_RESPONDER):
            assert self.suspend(number, what).status == OK

    def go_on(self, number):
        for what in (RESUME_RESPONDER, RESUME_INITIATOR):
            assert self.resume(number, what).status == OK

    def mkey_msg(self, pd, pages, read=1, write=1):
        msg = Message(0x110 + 8 * (len(pages) + len(pages) % 2))
        msg.put(0x300, 32, (len(pages) + 1) // 2)
        mkc = 8 * 0x10
        msg.put(mkc + 0x16, 2, 1).put(mkc + 0x14, 1, write).put(mkc + 0x15, 1, read)
        msg.put(mkc + 0x68, 24, pd).put(mkc + 0xC0, 64, PAGE * len(pages))
        msg.put(mkc + 0x1DA, 6, 12)
        for i, page in enumerate(pages):
            msg.put(8 * (0x110 + 8 * i), 64, page)
        return msg

    def key(self, size, read=1, write=1, pd=None, pages=None):
        """A key of @pages, or of new pages in a mixed order."""
        if pd is None:
            pd = self.ok(ALLOC_PD).object
        if pages is None:
            pages = [self.m.alloc(PAGE) for _ in range(-(-size // PAGE))]
            pages[::2], pages[1::2] = pages[::2][::-1], pages[1::2][::-1]
        number = self.ok(CREATE_MKEY, self.mkey_msg(pd, pages, read, write)).object
        return Key(self, number << 8, pages)

    def query(self, number, inc=0, chunk=0):
        """Size, total and migration state, or the Answer if it is a refusal."""
        got = self(QUERY, self.vhca(number).put(0x40, 1, inc).put(0x41, 1, chunk), out_len=64)
        if got.status:
            return got
        return got.out.take(0x80, 32), got.out.take(0xC0, 64), got.out.take(0x60, 4)

    def save(self, number, key, inc=0, track=0, size=None):
        msg = self.vhca(number, 32).put(0x40, 1, inc).put(0x41, 1, track)
        msg.put(0xC0, 32, key.mkey).put(0xE0, 32, len(key) if size is None else size)
        return self(SAVE, msg)

    def image(self, number, inc=0, track=0, room=None):
        """Save into a new key; returns the image and what the next one needs."""
        key = self.key(room or self.query(number, inc)[0])
        got = self.save(number, key, inc, track)
        assert got.status == OK, got
        return key.read(got.out.take(0x40, 32)), got.out.take(0x60, 32)

    def load(self, number, image):
        key = self.key(len(image), write=0)
        key.write(image)
        return self(LOAD, self.vhca(number, 32).put(0xC0, 32, key.mkey).put(0xE0, 32, len(image)),
                    out_len=16)


class Key:
    def __init__(self, nic, mkey, pages):
        self.m, self.mkey, self.pages = nic.m, mkey, pages

    def __len__(self):
        return PAGE * len(self.pages)

    def read(self, size):
        return b"".join(self.m.read(page, PAGE) for page in self.pages)[:size]

    def write(self, data):
        for i, page in enumerate(self.pages):
            self.m.write(page, data[PAGE * i:PAGE * (i + 1)])


def resealed(image, at, data):
    """The image with these bytes at this offset and a matching checksum."""
    image = bytearray(image)
    image[at:at + len(data)] = data
    image[0x28:0x2C] = bytes(4)
    image[0x28:0x2C] = struct.pack("<I", zlib.crc32(image))
    return bytes(image)
