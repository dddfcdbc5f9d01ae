# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal driver of PCI and of the virtio PCI transport, for the NIC."""

import struct

from qtest import ECAM

WINDOW = 0xC0000000         # below the port: memory
PREFETCH = 0xC8000000       # below the port: prefetchable memory
BAR_MEM, BAR_LAB, BAR_VIRTIO = 1, 2, 4

DFSELECT, DF, GFSELECT, GF, MSIX, NUMQ, STATUS = 0, 4, 8, 12, 16, 18, 20
Q_SELECT, Q_SIZE, Q_MSIX, Q_ENABLE, Q_NOFF, Q_DESC, Q_DRIVER, Q_DEVICE = 22, 24, 26, 28, 30, 32, 40, 48
ADM_INDEX, ADM_NUM = 60, 62

F_MAC, F_STATUS, F_CTRL_VQ, F_CTRL_RX, F_CTRL_VLAN, F_CTRL_RX_EXTRA = 5, 16, 17, 18, 19, 20
F_MQ, F_CTRL_MAC_ADDR, F_VERSION_1, F_ACCESS_PLATFORM, F_SR_IOV, F_ADMIN_VQ = 22, 23, 32, 33, 37, 41
BASE_FEATURES = sum(1 << b for b in (
    F_MAC, F_STATUS, F_CTRL_VQ, F_CTRL_RX, F_CTRL_VLAN, F_CTRL_RX_EXTRA, F_CTRL_MAC_ADDR,
    F_VERSION_1, F_ACCESS_PLATFORM))
MQ = 1 << F_MQ
PF_FEATURES = 1 << F_SR_IOV | 1 << F_ADMIN_VQ


class Function:
    """A PCI function: configuration space and capabilities."""

    def __init__(self, machine, bus, devfn):
        self.m = machine
        self.cfg = ECAM + (bus << 20 | devfn << 12)

    def get(self, off, size):
        return self.m.load(self.cfg + off, size)

    def set(self, off, size, val):
        self.m.store(self.cfg + off, size, val)

    def caps(self):
        off = self.get(0x34, 1)
        while off:
            yield off, self.get(off, 1)
            off = self.get(off + 1, 1)

    def ext_cap(self, wanted):
        off = 0x100
        while off:
            head = self.get(off, 4)
            if head & 0xFFFF == wanted:
                return off
            off = head >> 20
        raise AssertionError(f"no extended capability {wanted:#x}")

    def cap(self, wanted):
        return next(off for off, cap in self.caps() if cap == wanted)

    def flr(self):
        exp = self.cap(0x10)
        self.set(exp + 8, 2, self.get(exp + 8, 2) | 1 << 15)


class Queue:
    """A split virtqueue. Buffers are used in the order they are added."""

    def __init__(self, machine, size):
        self.m, self.size = machine, size
        self.desc = machine.alloc(16 * size)
        self.driver = machine.alloc(6 + 2 * size)
        self.device = machine.alloc(6 + 8 * size)
        self.head = 0
        self.seen = 0

    def add(self, out=b"", in_len=0):
        """Add a buffer of readable data, then room. Returns the address of the room."""
        room = 0
        pieces = []
        if out:
            addr = self.m.alloc(len(out))
            self.m.write(addr, out)
            pieces.append((addr, len(out), 0))
        if in_len:
            room = self.m.alloc(in_len)
            pieces.append((room, in_len, 2))
        self.post(pieces)
        return room

    def post(self, pieces):
        """Add a buffer of at most two (address, length, flags)."""
        first = 2 * self.head % self.size
        for i, (addr, length, flags) in enumerate(pieces):
            more = i + 1 < len(pieces)
            self.m.write(self.desc + 16 * (first + i),
                         struct.pack("<QIHH", addr, length, flags | more, first + i + 1))
        self.m.store(self.driver + 4 + 2 * (self.head % self.size), 2, first)
        self.head += 1
        self.m.store(self.driver + 2, 2, self.head & 0xFFFF)

    def used_index(self):
        return self.m.load(self.device + 2, 2)

    def used_len(self, index):
        return self.m.load(self.device + 4 + 8 * (index % self.size) + 4, 4)

    def wait(self):
        """The length of the next used buffer, or None if there is none."""
        for _ in range(50):
            if self.used_index() != self.seen & 0xFFFF:
                self.seen += 1
                return self.used_len(self.seen - 1)
            self.m.settle()
        return None


class Virtio(Function):
    """A function with its virtio registers mapped."""

    def __init__(self, machine, bus, devfn, bars):
        super().__init__(machine, bus, devfn)
        self.bars = bars
        self.set(4, 2, 0x6)
        self.regions = {}
        for off, cap in self.caps():
            if cap == 9:
                kind, bar, at = self.get(off + 3, 1), self.get(off + 4, 1), self.get(off + 8, 4)
                self.regions.setdefault(kind, bars.get(bar, 0) + at)
                if kind == 2:
                    self.multiplier = self.get(off + 16, 4)
        self.queues = {}

    def reg(self, off, size):
        return self.m.load(self.regions[1] + off, size)

    def set_reg(self, off, size, val):
        self.m.store(self.regions[1] + off, size, val)

    def config(self, off, size):
        return self.m.read(self.regions[4] + off, size)

    def offered(self):
        val = 0
        for i in range(2):
            self.set_reg(DFSELECT, 4, i)
            val |= self.reg(DF, 4) << 32 * i
        return val

    def negotiate(self, features):
        self.set_reg(STATUS, 1, 0)
        self.set_reg(STATUS, 1, 1)
        self.set_reg(STATUS, 1, 3)
        for i in range(2):
            self.set_reg(GFSELECT, 4, i)
            self.set_reg(GF, 4, features >> 32 * i & 0xFFFFFFFF)
        self.set_reg(STATUS, 1, 0xB)
        assert self.reg(STATUS, 1) == 0xB, "the device refused the features"

    def add_queue(self, index, vector=0xFFFF, size=None):
        self.set_reg(Q_SELECT, 2, index)
        queue = Queue(self.m, size or self.reg(Q_SIZE, 2))
        self.set_reg(Q_SIZE, 2, queue.size)
        self.set_reg(Q_MSIX, 2, vector)
        for off, addr in ((Q_DESC, queue.desc), (Q_DRIVER, queue.driver), (Q_DEVICE, queue.device)):
            self.set_reg(off, 4, addr & 0xFFFFFFFF)
            self.set_reg(off + 4, 4, addr >> 32)
        self.set_reg(Q_ENABLE, 2, 1)
        self.queues[index] = queue
        return queue

    def kick(self, index):
        self.set_reg(Q_SELECT, 2, index)
        self.m.store(self.regions[2] + self.multiplier * self.reg(Q_NOFF, 2), 2, index)

    # MSI-X: the messages are written to memory, where they can be counted as data.

    def msix_on(self, vectors):
        self.messages = self.m.alloc(4096)
        cap = self.cap(0x11)
        for i in range(vectors):
            entry = self.bars[BAR_MEM] + 16 * i
            self.m.store(entry, 4, self.messages + 4 * i)
            self.m.store(entry + 4, 4, 0)
            self.m.store(entry + 8, 4, 0x1000 + i)
            self.m.store(entry + 12, 4, 0)
        self.set(cap + 2, 2, 1 << 15)

    def fired(self, vector):
        """Whether the message was written since the last call."""
        addr = self.messages + 4 * vector
        val = self.m.load(addr, 4)
        self.m.store(addr, 4, 0)
        assert val in (0, 0x1000 + vector)
        return val != 0


class Nic:
    """The PF with its bars mapped, and VFs once they are enabled."""

    def __init__(self, machine, vfs):
        port = Function(machine, 0, 1 << 3)
        port.set(0x18, 4, 0x00010100)
        port.set(0x20, 4, (WINDOW | 0x00F00000) | WINDOW >> 16)
        port.set(0x24, 4, (PREFETCH | 0x00F00000) | PREFETCH >> 16)
        port.set(0x28, 4, 0)
        port.set(0x2C, 4, 0)
        port.set(0x04, 2, 0x6)
        self.m, self.vfs = machine, vfs

        pf = Function(machine, 1, 0)
        pf.set(0x10 + 4 * BAR_MEM, 4, WINDOW)
        pf.set(0x10 + 4 * BAR_VIRTIO, 4, PREFETCH)
        pf.set(0x10 + 4 * BAR_VIRTIO + 4, 4, 0)
        bars = {BAR_MEM: WINDOW, BAR_VIRTIO: PREFETCH}
        pf.set(0x10 + 4 * BAR_LAB, 4, 0xFFFFFFFF)
        if pf.get(0x10 + 4 * BAR_LAB, 4):
            bars[BAR_LAB] = WINDOW + 0x80000
            pf.set(0x10 + 4 * BAR_LAB, 4, bars[BAR_LAB])
        self.pf = Virtio(machine, 1, 0, bars)

    def enable_vfs(self):
        cap = self.pf.ext_cap(0x10)
        mem, virtio = WINDOW + 0x100000, PREFETCH + 0x100000
        sizes = {}
        for bar, base in ((BAR_MEM, mem), (BAR_VIRTIO, virtio)):
            self.pf.set(cap + 0x24 + 4 * bar, 4, 0xFFFFFFFF)
            sizes[bar] = -(self.pf.get(cap + 0x24 + 4 * bar, 4) & ~0xF) & 0xFFFFFFFF
            self.pf.set(cap + 0x24 + 4 * bar, 4, base)
        self.pf.set(cap + 0x24 + 4 * BAR_VIRTIO + 4, 4, 0)
        self.pf.set(cap + 0x10, 2, self.vfs)
        self.pf.set(cap + 0x08, 2, 0x9)
        return [Virtio(self.m, 1, 1 + i, {BAR_MEM: mem + i * sizes[BAR_MEM],
                                          BAR_VIRTIO: virtio + i * sizes[BAR_VIRTIO]})
                for i in range(self.vfs)]

    def disable_vfs(self):
        cap = self.pf.ext_cap(0x10)
        self.pf.set(cap + 0x08, 2, 0)
