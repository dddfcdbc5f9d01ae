# SPDX-License-Identifier: GPL-2.0-only
"""The test bed in L1: two VFs, the guest that moves between them, its transfer."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import NIC, PORT, Machine, nic_arguments
from .migrate import Record, destination
from .traffic import TCP_PORT, Totals, Transfer
from .vf import Vf
from .wait import Failure, now_ms, until

GUEST_SECONDS = 180
PROGRESS_SECONDS = 120
PROGRESS_BYTES = 128 * 1024  # several times what may be under way unreported
QUIET_MS = 1000  # a stretch of the transfer to compare the gaps of a migration with
FLIPPED_OFFSET = 70001
EVIDENCE = {
    "connection": "ss -tinmo",
    "interfaces": "ip -s link; ip neigh",
    "interrupts": "grep vfio- /proc/interrupts",
    "kernel log": "dmesg",
}


@dataclass(frozen=True)
class Setup:
    driver: str
    interface: str  # the PF's network interface in L1
    vfs: tuple[Vf, Vf]
    parts: Path  # what prepare.sh built
    work: Path
    options: list[str]  # for L1's end of the transfer


class Bed:
    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.records: list[Record] = []
        self.machines: list[Machine] = []
        self.at: Vf = setup.vfs[0]
        self.begin = now_ms()
        self._machine: Machine | None = None
        self._transfer: Transfer | None = None
        self._cleanup: list[Callable[[], None]] = []

    @property
    def machine(self) -> Machine:
        assert self._machine
        return self._machine

    @property
    def transfer(self) -> Transfer:
        assert self._transfer
        return self._transfer

    @property
    def other(self) -> Vf:
        first, second = self.setup.vfs
        return second if self.at == first else first

    def _keep(self, machine: Machine) -> Machine:
        self.machines.append(machine)
        self._cleanup.append(machine.kill)
        return machine

    def start_guest(self) -> None:
        """Load the snapshot, plug the VF in, and wait for the transfer."""
        setup = self.setup
        self._transfer = Transfer(
            setup.parts / "traffic", setup.work, setup.interface, setup.options
        )
        self._cleanup.append(self._transfer.kill)
        snapshot = ["-incoming", f"file:{setup.parts / 'snapshot'}"]
        machine = self._keep(Machine("vm0", setup.parts, setup.work, snapshot))
        self._machine = machine
        self.transfer.guest.follow(machine.status)
        until("the snapshot to run", GUEST_SECONDS, lambda: self._runs(machine), step=0.1)
        machine.command("device_add", **nic_arguments(self.at.bdf))
        until("the guest's transfer", GUEST_SECONDS, self._is_up, step=0.1)

    @staticmethod
    def _runs(machine: Machine) -> bool:
        return bool(machine.command("query-status")["status"] == "running")

    def _is_up(self) -> bool:
        self.transfer.update()
        if not self.machine.alive():
            raise Failure(f"the guest's QEMU ended (exit {self.machine.exit_code})")
        return self.transfer.guest.said("up")

    def destination(self, **options: Any) -> Machine:
        name = f"vm{len(self.machines)}"
        setup = self.setup
        return self._keep(destination(name, self.other, setup.parts, setup.work, **options))

    def moved_to(self, machine: Machine) -> None:
        """The guest is there now; the machine it was in ends."""
        self.transfer.guest.follow(machine.status)
        before = self.machine
        self._machine = machine
        self.at = self.other
        before.quit()

    def nics(self) -> list[tuple[str, str]]:
        """Every network device of the guest: (its id, the id of the port it is behind)."""

        def walk(devices: list[dict[str, Any]], port: str) -> Iterator[tuple[str, str]]:
            for device in devices:
                if device["class_info"]["class"] >> 8 == 2:
                    yield device["qdev_id"], port
                below = device.get("pci_bridge", {}).get("devices", [])
                yield from walk(below, device["qdev_id"])

        buses = self.machine.command("query-pci")
        return [nic for bus in buses for nic in walk(bus["devices"], "")]

    def only_nic_is_vf(self) -> bool:
        backends = self.machine.command("human-monitor-command", command_line="info network")
        return self.nics() == [(NIC, PORT)] and not backends.strip()

    def progress(self, base: Totals) -> Totals:
        return self.transfer.wait_progress(base, PROGRESS_BYTES, PROGRESS_SECONDS)

    def transferred(self) -> tuple[int, int]:
        """Bytes verified so far (by L1, by the guest), whatever state the test is in."""
        reports = (self._transfer.l1, self._transfer.guest) if self._transfer else ()
        counts = [report.samples[-1].rx if report.samples else 0 for report in reports]
        return (counts[0], counts[1]) if counts else (0, 0)

    def received(self) -> int:
        """Bytes that L1's interface on the NIC's segment has received."""
        path = Path("/sys/class/net", self.setup.interface, "statistics/rx_bytes")
        return int(path.read_text(encoding="ascii"))

    def flip_is_seen(self) -> str:
        """Send one wrong byte over loopback; return what the receiver says of it."""
        program = str(self.setup.parts / "traffic")
        port = str(TCP_PORT + 1)
        bad = ["-f", str(FLIPPED_OFFSET), "127.0.0.1", port]
        with subprocess.Popen(
            [program, "listen", *bad], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as sender:
            try:
                assert sender.stdout
                sender.stdout.readline()
                receiver = subprocess.run(
                    [program, "connect", "127.0.0.1", port],
                    capture_output=True, text=True, timeout=30, check=False,
                )  # fmt: skip
            finally:
                sender.kill()
        last = receiver.stdout.splitlines()[-1:]
        return f"{last[0] if last else 'nothing'} (exit {receiver.returncode})"

    def evidence(self) -> Iterator[str]:
        """What a person needs to see when it broke."""
        for machine in self.machines:
            state = "alive" if machine.alive() else f"exit {machine.exit_code}"
            for path in machine.files():
                yield f"--- {path.name} ({state})"
                yield from _tail(path.read_text(encoding="utf-8", errors="replace"), 12)
        for what, command in EVIDENCE.items():
            done = subprocess.getoutput(f"timeout 20 sh -c '{command}'")
            yield f"--- L1's {what}"
            yield from _tail(done, 25)

    def close(self) -> None:
        while self._cleanup:
            self._cleanup.pop()()


def _tail(text: str, lines: int) -> list[str]:
    return text.replace("\r", "").splitlines()[-lines:]
