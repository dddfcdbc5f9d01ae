# SPDX-License-Identifier: GPL-2.0-only
"""The guest's virtual machine: one QEMU process.

The snapshot is made on the test host and loaded in L1, so everything that QEMU
checks on load (machine, CPU, memory, devices, kernel) is defined here once.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .qmp import Qmp
from .wait import Failure, until

MEMORY_MIB = 112
NICS = 2  # at most; each has a port of its own
WAITING = NICS + 1  # programs in the snapshot that wait for a device: for each NIC, and the engine
START_SECONDS = 60

KVM = "kvm"
TCG = "tcg"

# Under TCG in TCG, each basic block costs about a millisecond when it first runs, so everything that
# the test does not need is off. Freed memory is zeroed, which keeps the snapshot and the migration
# small. The kernel's check of the timer fails on a busy machine.
KERNEL_ARGUMENTS = (
    "console=ttyS0 rdinit=/init quiet loglevel=4 panic=-1 nokaslr mitigations=off acpi=off "
    "lsm= audit=0 psi=0 ipv6.disable=1 damon_stat.enabled=0 transparent_hugepage=never "
    "init_on_alloc=0 init_on_free=1 no_timer_check tsc=reliable tsc_early_khz="
)
# QEMU's trace events for what is saved and loaded, and for the states of the devices.
TRACES = (
    "vfio_migration_set_device_state",
    "vfio_save_block",
    "vfio_save_complete_precopy_thread_end",
    "vfio_load_state_device_data",
    "vfio_load_state",
    "vfio_load_bufs_thread_end",
    "vfio_device_dirty_tracking_start",
)
_STATE = re.compile(r"vfio_migration_set_device_state +\((\S+)\) state (\S+)")


@dataclass(frozen=True)
class Qemu:
    """A version of QEMU that can run the guest."""

    name: str
    program: str
    options: tuple[str, ...] = ()


BACKPORT = Qemu("backport", "qemu-system-x86_64")


def stock_qemu(program: Path, firmware: Path) -> Qemu:
    """The QEMU that build-stock-qemu.sh unpacked."""
    return Qemu("stock", str(program), ("-L", str(firmware), "-L", "/usr/share/seabios"))


@dataclass(frozen=True)
class Guest:
    """What prepare.sh built, with the snapshot of one memory size, and what runs it."""

    parts: Path
    memory_mib: int = MEMORY_MIB
    accel: str = TCG

    @property
    def snapshot(self) -> Path:
        ending = "" if self.memory_mib == MEMORY_MIB else f"-{self.memory_mib}"
        return self.parts / f"snapshot{ending}"


def nic_id(number: int) -> str:
    return f"nic{number}"


def port_id(number: int) -> str:
    return f"rp{number}"


def _arguments(guest: Guest) -> list[str]:
    parts = guest.parts
    ports = []
    for number in range(NICS):
        ports += [
            "-device", f"pcie-root-port,id={port_id(number)},bus=pcie.0,chassis={number + 1},"
                       f"slot={number + 1},mem-reserve=1M,pref64-reserve=1M",
        ]  # fmt: skip
    return [
        # A CPU that is the same to the guest under TCG, where the snapshot is made, and under KVM.
        "-accel", guest.accel, "-cpu", "qemu64", "-smp", "1", "-m", str(guest.memory_mib),
        # The newest machine that every QEMU here knows.
        "-M", "pc-q35-10.0,sata=off,smbus=off,usb=off,vmport=off,hpet=off",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(parts / "vmlinuz"), "-initrd", str(parts / "initrd"),
        "-append", KERNEL_ARGUMENTS + (parts / "tsc_khz").read_text(encoding="ascii").strip(),
        *ports,
    ]  # fmt: skip


class Machine:
    """A QEMU that runs the guest, or waits to take it over."""

    def __init__(self, name: str, guest: Guest, work: Path, extra: list[str],
                 qemu: Qemu = BACKPORT, preload: Path | None = None) -> None:  # fmt: skip
        self.name = name
        self.qemu = qemu
        self.console = work / f"{name}.console"  # ttyS0: the guest's kernel
        self.status = work / f"{name}.status"  # ttyS1: the guest's reports
        self.log = work / f"{name}.log"  # QEMU's own messages
        self.trace = work / f"{name}.trace"  # QEMU's trace, see TRACES
        self.exit_code: int | None = None
        monitor = work / f"{name}.qmp"
        command = [qemu.program, *qemu.options, *_arguments(guest), *extra]
        for number, path in enumerate((self.console, self.status)):
            path.write_bytes(b"")
            command += ["-chardev", f"file,id=tty{number},path={path}",
                        "-device", f"isa-serial,chardev=tty{number}"]  # fmt: skip
        command += ["-qmp", f"unix:{monitor},server=on,wait=off", "-D", str(self.trace)]
        for trace in TRACES:
            command += ["-trace", trace]

        with self.log.open("ab") as log:
            log.write((" ".join(command) + "\n").encode())
            log.flush()
            # pylint: disable-next=consider-using-with
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={**os.environ, "LD_PRELOAD": str(preload)} if preload else None,
            )  # fmt: skip
        try:
            self.qmp = until(
                f"{name}: QEMU's monitor", START_SECONDS, lambda: self._connected(monitor)
            )
        except BaseException:
            self.kill()
            raise

    def _connected(self, monitor: Path) -> Qmp | None:
        if not self.alive():
            raise Failure(self.ended())
        try:
            return Qmp(monitor, START_SECONDS)
        except (FileNotFoundError, ConnectionRefusedError):
            return None  # the socket exists before QEMU listens

    def alive(self) -> bool:
        self.exit_code = self._process.poll()
        return self.exit_code is None

    def command(self, name: str, **arguments: Any) -> Any:
        return self.qmp.command(name, **arguments)

    def quit(self) -> None:
        """End QEMU in order, so that it also releases the devices in order."""
        self.command("quit")
        until(f"{self.name}: QEMU's end", 30, lambda: not self.alive())

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.exit_code = self._process.wait(10)

    def traced(self, pattern: str) -> list[int]:
        """The numbers that a pattern with one group finds in QEMU's trace."""
        text = self.trace.read_text(encoding="utf-8", errors="replace")
        return [int(n) for n in re.findall(pattern, text)]

    def count(self, pattern: str) -> int:
        text = self.trace.read_text(encoding="utf-8", errors="replace")
        return len(re.findall(pattern, text))

    def states(self) -> list[tuple[str, str]]:
        """Every (device, its new state), in the order of QEMU's trace."""
        text = self.trace.read_text(encoding="utf-8", errors="replace")
        return _STATE.findall(text)

    def ended(self) -> str:
        """How QEMU ended, with the last line of its messages."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"{self.name}: QEMU ended (exit {self.exit_code}): {lines[-1]}"

    def files(self) -> list[Path]:
        """The logs of the guest and of QEMU."""
        return [f for f in (self.log, self.trace, self.console, self.status) if f.exists()]

    def cpu_seconds(self) -> float:
        """The processor time that this QEMU has used in L1."""
        line = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        user, system = line.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def version(self) -> str:
        number = self.command("query-version")["qemu"]
        return f"{number['major']}.{number['minor']}.{number['micro']}"

    def opened(self) -> set[str]:
        """The device nodes in /dev/vfio that this QEMU has open."""
        found = set()
        for link in Path(f"/proc/{self._process.pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("/dev/vfio/"):
                found.add(target)
        return found


def nic_arguments(number: int, bdf: str, **options: Any) -> dict[str, Any]:
    """An assigned VF, in the form that -device (JSON) and device_add accept."""
    arguments: dict[str, Any] = {
        "driver": "vfio-pci",
        "id": nic_id(number),
        "bus": port_id(number),
        "host": bdf,
        "enable-migration": "on",
        "migration-events": True,
        "rombar": 0,
        # QEMU maps small BARs in part, and then refuses to load them.
        "x-no-mmap": True,
    }
    arguments.update(options)
    return arguments
