# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers of the NIC, in Python, and a test runner that prints TAP."""

import argparse
import sys
import time
import traceback

import admin as adm
import pci
from admin import Admin
from qtest import Machine

TESTS = []
HEADER_LEN = 12                         # struct virtio_net_hdr with VIRTIO_F_VERSION_1
PF_MAC = bytes.fromhex("525400770001")
BROADCAST = b"\xff" * 6


def test(func):
    TESTS.append(func)
    return func


def vf_mac(number):
    return PF_MAC[:5] + bytes([1 + number])


def frame(dst, src=PF_MAC, body=b"\x5a" * 50):
    return dst + src + b"\x88\xb5" + body


class Bench:
    """The NIC with a driver on the PF: data queues, administration queue, VFs."""

    def __init__(self, qemu, vfs=4, pairs=2, enable=True, start=True, options="",
                 extra=()):
        self.m = Machine(qemu, f"sriov-vfs={vfs},queue-pairs={pairs},{options}", extra)
        try:
            self.pairs = pairs
            self.nic = pci.Nic(self.m, vfs)
            self.pf = self.nic.pf
            self.start_pf()
            self.vfs = {}
            if enable:
                self.vfs = dict(enumerate(self.nic.enable_vfs(), 1))
            if start:
                self.admin.start()
        except BaseException:
            self.m.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.m.close()

    def start_pf(self):
        self.pf.negotiate(pci.BASE_FEATURES | pci.PF_FEATURES)
        for index in (0, 1, 2):
            self.pf.add_queue(index)
        self.admin_index = self.pf.reg(pci.ADM_INDEX, 2)
        self.pf.add_queue(self.admin_index)
        self.admin = Admin(self.pf, self.admin_index)
        self.pf.set_reg(pci.STATUS, 1, 0xF)

    def start_vf(self, number, mq=False, rx=8):
        """The member's driver: vectors 0 config, 1 + n for queue n; rx buffers posted."""
        vf = self.vfs[number]
        pairs = self.pairs if mq else 1
        vf.negotiate(pci.BASE_FEATURES | (pci.MQ if mq else 0))
        vf.msix_on(2 * pairs + 2)
        vf.set_reg(pci.MSIX, 2, 0)
        for index in range(2 * pairs + 1):
            vf.add_queue(index, 1 + index, 16)
        vf.ctrl = 2 * pairs
        vf.set_reg(pci.STATUS, 1, 0xF)
        vf.rooms = {}
        for pair in range(pairs):
            vf.rooms[2 * pair] = [self.post(vf, 2 * pair) for _ in range(rx)]
        self.m.settle()
        for vector in range(2 * pairs + 2):
            vf.fired(vector)
        return vf

    @staticmethod
    def post(vf, index):
        room = vf.queues[index].add(in_len=2048)
        vf.kick(index)
        return room

    def send(self, vf, data, index=1):
        """Returns whether the device used the buffer."""
        vf.queues[index].add(bytes(HEADER_LEN) + data)
        vf.kick(index)
        return vf.queues[index].wait() is not None

    def received(self, vf, index=0):
        """The next frame of a receive queue, or None; does not wait if nothing is due."""
        queue = vf.queues[index]
        if queue.used_index() == queue.seen & 0xFFFF:
            self.m.settle()
        if queue.used_index() == queue.seen & 0xFFFF:
            return None
        room = vf.rooms[index][queue.seen]
        length = queue.used_len(queue.seen)
        queue.seen += 1
        return self.m.read(room, length)[HEADER_LEN:]

    def control(self, vf, cls, cmd, data):
        vf.queues[vf.ctrl].add(bytes([cls, cmd]) + data, 1)
        vf.kick(vf.ctrl)
        assert vf.queues[vf.ctrl].wait() is not None

    def objects(self, member, get=0, put=1):
        assert self.admin.create(member, get, adm.GET_OBJ) == adm.OK
        assert self.admin.create(member, put, adm.SET_OBJ) == adm.OK

    def state(self, member, obj=0):
        status, data = self.admin.get(member, obj)
        assert status == adm.OK
        return data

    def take_over(self, number, old):
        """Give VF @number the rings and the messages of VF @old, as after a migration."""
        new = self.vfs[number]
        new.queues, new.rooms, new.ctrl = old.queues, old.rooms, old.ctrl
        new.msix_on(2 * (len(old.queues) // 2) + 2)
        return new


def same(got, want, what=""):
    assert got == want, f"{what}: {got!r:.200} instead of {want!r:.200}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("qemu")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    tests = [t for t in TESTS if not args.names or t.__name__ in args.names]
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    failed = 0
    for number, func in enumerate(tests, 1):
        name = func.__name__.replace("_", " ")
        start = time.monotonic()
        try:
            func(args.qemu)
            print(f"ok {number} {name} # {time.monotonic() - start:.1f} s", flush=True)
        except Exception:               # a failed test must not end the run
            failed += 1
            print(f"not ok {number} {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            sys.stdout.flush()
    return 1 if failed else 0
