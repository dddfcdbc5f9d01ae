# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU without a guest: its memory and registers over the qtest protocol, its monitor over QMP."""

import json
import os
import socket
import subprocess
import tempfile

ECAM = 0xB0000000


class Machine:
    """A q35 with the device below a root port and PCI configuration space mapped."""

    def __init__(self, qemu, options, extra=(),
                 device="virtio-net-parts-pf,mac=52:54:00:77:00:01"):
        self.tmp = tempfile.TemporaryDirectory(prefix="nic-test-")
        paths = {n: os.path.join(self.tmp.name, n) for n in ("qtest", "qmp")}
        listeners = {}
        for name, path in paths.items():
            listeners[name] = socket.socket(socket.AF_UNIX)
            listeners[name].bind(path)
            listeners[name].listen(1)
            listeners[name].settimeout(30)
        self.process = subprocess.Popen([
            qemu, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,accel=qtest", "-m", "128",
            "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-qtest", f"unix:{paths['qtest']}", "-qtest-log", "none",
            "-qmp", f"unix:{paths['qmp']}",
            "-device", "pcie-root-port,id=nicport",
            *extra, "-device", f"{device},id=nic,bus=nicport,{options}".rstrip(",")])
        try:
            files = {}
            for name, listener in listeners.items():
                sock = listener.accept()[0]
                sock.settimeout(30)
                files[name] = sock.makefile("rwb")
                listener.close()
        except TimeoutError:
            self.process.kill()
            raise
        self.qtest, self.monitor = files["qtest"], files["qmp"]
        self.monitor.readline()
        self.qmp("qmp_capabilities")
        self.next_page = 0x100000
        # PCIEXBAR of the host bridge: configuration space as memory.
        for off, val in ((0x64, 0), (0x60, ECAM | 1)):
            self._do(f"outl 0xcf8 {0x80000000 | off}")
            self._do(f"outl 0xcfc {val}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.tmp.cleanup()

    def _do(self, line):
        self.qtest.write(line.encode() + b"\n")
        self.qtest.flush()
        while True:
            answer = self.qtest.readline().split()
            if not answer:
                raise RuntimeError(f"QEMU went away at: {line[:60]}")
            if answer[0] == b"OK":
                return answer[1:]
            if answer[0] != b"IRQ":
                raise RuntimeError(f"{line[:60]}: {answer}")

    def qmp(self, command, **args):
        self.monitor.write(json.dumps({"execute": command, "arguments": args}).encode())
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")

    def read(self, addr, size):
        return bytes.fromhex(self._do(f"read {addr:#x} {size:#x}")[0][2:].decode())

    def write(self, addr, data):
        if data:
            self._do(f"write {addr:#x} {len(data):#x} 0x{data.hex()}")

    def load(self, addr, size):
        return int(self._do(f"read{' bw l   q'[size]} {addr:#x}")[0], 16)

    def store(self, addr, size, val):
        self._do(f"write{' bw l   q'[size]} {addr:#x} {val:#x}")

    def alloc(self, size):
        """Zeroed pages of guest memory that nothing else uses."""
        addr = self.next_page
        self.next_page += (size + 4095) & ~4095
        return addr

    def step(self, ns):
        """Advance virtual time, which only this and settle() do."""
        self._do(f"clock_step {ns}")

    def settle(self):
        """Let everything that is pending inside QEMU run."""
        for _ in range(3):
            self.step(1000000)
            self.qmp("query-status")
