# SPDX-License-Identifier: GPL-2.0-only
"""The test bed in L1: two sets of VFs, the guest that migrates between them, its transfers."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine import Engine
from .machine import BACKPORT, Guest, Machine, Qemu, nic_arguments, nic_id, port_id
from .migrate import DOWNTIME_LIMIT_MS, TRACKED_LIMIT_MS, Record, destination
from .traffic import TCP_PORT, Totals, Transfer
from .vf import Vf
from .wait import Failure, now_ms, until

GUEST_SECONDS = 400
PROGRESS_SECONDS = 240
PROGRESS_BYTES = 128 * 1024  # several times what may be in flight
QUIET_MS = 1000  # of transfer without a migration, to compare the gaps with
FLIPPED_OFFSET = 70001
EVIDENCE = {
    "connection": "ss -tinmo",
    "interfaces": "ip -s link; ip neigh",
    "interrupts": "grep vfio- /proc/interrupts",
    "kernel log": "dmesg",
}


# x-device-dirty-page-tracking, by who reports the dirty pages of a ConnectX VF to QEMU
TRACKING = {
    "nobody": "off",  # QEMU treats every page as dirty
    "device": "on",
}


@dataclass(frozen=True)
class Setup:
    driver: str
    interface: str  # the PF's network interface in L1
    sides: tuple[tuple[Vf, ...], tuple[Vf, ...]]  # on each side one VF for each NIC of the guest
    guest: Guest
    work: Path
    options: list[str]  # for L1's end of the transfers
    stock: Qemu
    tracking: str  # one of TRACKING


class Bed:
    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.records: list[Record] = []
        self.machines: list[Machine] = []
        self.at = setup.sides[0]
        self.begin = now_ms()
        self._machine: Machine | None = None
        self.transfers: list[Transfer] = []
        self.engine: Engine | None = None
        self._cleanup: list[Callable[[], None]] = []

    @property
    def machine(self) -> Machine:
        assert self._machine
        return self._machine

    @property
    def other(self) -> tuple[Vf, ...]:
        first, second = self.setup.sides
        return second if self.at == first else first

    def _keep(self, machine: Machine) -> Machine:
        self.machines.append(machine)
        self._cleanup.append(machine.kill)
        return machine

    def start_guest(self) -> None:
        """Load the snapshot, plug the VFs in, and wait for the transfers and the engine."""
        setup = self.setup
        # The guest is stopped until all VFs are plugged in, so that it finds them in order.
        snapshot = ["-S", "-incoming", f"file:{setup.guest.snapshot}"]
        machine = self._keep(Machine("vm0", setup.guest, setup.work, snapshot))
        self._machine = machine
        for number in range(sum(not vf.connectx for vf in self.at)):
            transfer = Transfer(
                number, setup.guest.parts / "traffic", setup.work, setup.interface, setup.options
            )
            self._cleanup.append(transfer.kill)
            self.transfers.append(transfer)
            transfer.guest.follow(machine.status)
        if any(vf.connectx for vf in self.at):
            self.engine = Engine()
            self.engine.follow(machine.status)
        until("the snapshot to be loaded", GUEST_SECONDS, lambda: _loaded(machine), step=0.1)
        for number, vf in enumerate(self.at):
            machine.command("device_add", **nic_arguments(number, vf.bdf, **self._options(vf, setup.tracking)))
        machine.command("cont")
        until("the guest to use its devices", GUEST_SECONDS, self._is_up, step=0.1)

    @staticmethod
    def _options(vf: Vf, tracking: str) -> dict[str, str]:
        return {"x-device-dirty-page-tracking": TRACKING[tracking]} if vf.connectx else {}

    def _is_up(self) -> bool:
        if not self.machine.alive():
            raise Failure(f"the guest's QEMU ended (exit {self.machine.exit_code})")
        for transfer in self.transfers:
            transfer.update()
        up = all(transfer.guest.said("up") for transfer in self.transfers)
        return up and (not self.engine or self.engine.is_up())

    @property
    def tracked(self) -> bool:
        """QEMU gets the dirty pages of all devices; VIRTIO VFs do not report theirs."""
        return not self.transfers and self.setup.tracking == "device"

    @property
    def limit_ms(self) -> int:
        return TRACKED_LIMIT_MS if self.tracked else DOWNTIME_LIMIT_MS

    def destination(self, qemu: Qemu = BACKPORT, *, blind: bool = False, **options: Any) -> Machine:
        """Blind: when this QEMU is a source, its devices report no dirty pages."""
        name = f"vm{len(self.machines)}"
        setup = self.setup
        tracking = "device" if blind else setup.tracking
        return self._keep(
            destination(
                name, [(vf, {**self._options(vf, tracking), **options}) for vf in self.other],
                setup.guest, setup.work, qemu, setup.guest.parts / "blind.so" if blind else None,
            )
        )  # fmt: skip

    def moved_to(self, machine: Machine) -> None:
        """The guest runs in this machine now; end the old one."""
        for transfer in self.transfers:
            transfer.guest.follow(machine.status)
        if self.engine:
            self.engine.follow(machine.status)
        before = self.machine
        self._machine = machine
        self.at = self.other
        before.quit()

    def nics(self) -> list[tuple[str, str]]:
        """Every network device of the guest: (its id, the id of its port)."""

        def walk(devices: list[dict[str, Any]], port: str) -> Iterator[tuple[str, str]]:
            for device in devices:
                if device["class_info"]["class"] >> 8 == 2:
                    yield device["qdev_id"], port
                below = device.get("pci_bridge", {}).get("devices", [])
                yield from walk(below, device["qdev_id"])

        buses = self.machine.command("query-pci")
        return [nic for bus in buses for nic in walk(bus["devices"], "")]

    def only_nics_are_vfs(self) -> bool:
        backends = self.machine.command("human-monitor-command", command_line="info network")
        wanted = [(nic_id(number), port_id(number)) for number in range(len(self.at))]
        return self.nics() == wanted and not backends.strip()

    def totals(self) -> list[Totals]:
        """What has arrived so far, for each NIC."""
        return [transfer.totals() for transfer in self.transfers]

    def progress(self, base: list[Totals]) -> list[Totals]:
        """Wait until every NIC has carried something in both directions."""
        return [
            transfer.wait_progress(at, PROGRESS_BYTES // len(base), PROGRESS_SECONDS)
            for transfer, at in zip(self.transfers, base, strict=True)
        ]

    def gaps(self, begin: float, end: float) -> tuple[float, float]:
        """The longest silence of any NIC's transfer, to L1 and to the guest."""
        gaps = [transfer.gaps(begin, end) for transfer in self.transfers]
        return max((gap[0] for gap in gaps), default=0.0), max((gap[1] for gap in gaps), default=0.0)

    def reports(self) -> list[int]:
        """The number of reports from each end in the guest, for guest_gap()."""
        return [len(transfer.guest.samples) for transfer in self.transfers]

    def guest_gap(self, reports: list[int]) -> float | None:
        """The longest silence on the guest's clock since reports()."""
        since = [
            sample.rx_gap
            for transfer, seen in zip(self.transfers, reports, strict=True)
            for sample in transfer.guest.samples[seen:]
        ]
        return max(since, default=None)

    def finish(self, seconds: float) -> None:
        for transfer in self.transfers:
            transfer.stop()
        for transfer in self.transfers:
            transfer.finish(seconds)

    def transferred(self) -> tuple[int, int]:
        """Bytes verified so far (by L1, by the guest); works at any time."""
        l1 = [transfer.l1.samples[-1:] for transfer in self.transfers]
        guest = [transfer.guest.samples[-1:] for transfer in self.transfers]
        return sum(s.rx for last in l1 for s in last), sum(s.rx for last in guest for s in last)

    def received(self) -> int:
        """Bytes that L1's interface on the NIC's segment has received."""
        path = Path("/sys/class/net", self.setup.interface, "statistics/rx_bytes")
        return int(path.read_text(encoding="ascii"))

    def flip_is_seen(self) -> str:
        """Send one wrong byte over loopback; return the receiver's message."""
        program = str(self.setup.guest.parts / "traffic")
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
        """Logs that help to find the cause of a failure."""
        for machine in self.machines[-3:]:
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


def _loaded(machine: Machine) -> bool:
    if not machine.alive():
        raise Failure(f"the guest's QEMU ended (exit {machine.exit_code})")
    return bool(machine.command("query-status")["status"] == "paused")


def _tail(text: str, lines: int) -> list[str]:
    return text.replace("\r", "").splitlines()[-lines:]
