# SPDX-License-Identifier: GPL-2.0-only
"""One migration: the commands to QEMU, and a record of the results."""

import json
import socket
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .machine import NICS, Guest, Machine, Qemu, nic_arguments, nic_id
from .vf import Vf
from .wait import PATIENCE, Failure, now_ms, until

MIGRATION_SECONDS = 90
SLOW = 256 * 1024  # bytes/s: too slow to get past PRE_COPY
FAST = 1 << 40
# Without dirty tracking, QEMU sends all memory again in the blackout.
DOWNTIME_LIMIT_MS = int(60000 * PATIENCE)
# With dirty tracking, QEMU stops the guest when the rest takes at most 300 ms, its default. The rate
# is fixed: the one that QEMU measures depends mostly on how often QEMU asks for dirty pages.
TRACKED_LIMIT_MS = 300
# Too short for a guest that writes to memory: QEMU stays in PRE_COPY until hurry().
NEVER_MS = 1
TRACKED_RATE = 16 << 20
# In a destination's trace: device state that the kernel accepted.
LOADED = r"vfio_load_state_device_data .*?size (\d+) ret 0"
# In a source's trace: device state that was sent.
SAVED = r"vfio_save_block .*?data_size (\d+)"
# In a source's trace: dirty tracking by the devices started.
TRACKED = r"vfio_device_dirty_tracking_start "
# A device whose state used its own channels (source; destination).
SENT_APART = r"vfio_save_complete_precopy_thread_end .* ret 1\b"  # true
TAKEN_APART = r"vfio_load_bufs_thread_end "
CHANNELS = 2
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Mode:
    """How the stream travels."""

    name: str
    multifd: bool = False  # memory over several channels
    apart: bool = False  # also the final state of each device


PLAIN = Mode("plain")
MULTIFD = Mode("multifd", multifd=True)
APART = Mode("multifd with device state", multifd=True, apart=True)


@dataclass
class Span:
    """A device state, from QEMU's events, and how long it lasted."""

    side: str
    state: str
    start_ms: float  # from the beginning of the migration
    duration_ms: float | None = None  # None: until the end


@dataclass
class Record:
    name: str
    source: str
    destination: str
    outcome: str = "unknown"
    total_ms: float | None = None
    downtime_ms: float | None = None  # as QEMU reports it
    stopped_ms: float | None = None  # from the source's STOP to the next RESUME
    device_bytes_saved: int = 0
    device_bytes_loaded: int = 0
    device_bytes_in_line: int = 0  # of device_bytes_saved: on the main channel, between memory
    devices_sent_apart: int = 0
    devices_taken_apart: int = 0
    memory_bytes: int = 0
    memory_bytes_stopped: int | None = None  # of memory_bytes: sent while the guest was stopped
    tracked: bool = False  # the devices reported their dirty pages
    silence_to_l1_ms: float | None = None
    silence_to_guest_ms: float | None = None
    silence_guest_clock_ms: float | None = None
    bytes_during: dict[str, int] = field(default_factory=dict)
    bytes_after: dict[str, int] = field(default_factory=dict)
    states: list[Span] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def destination(name: str, vfs: list[tuple[Vf, dict[str, Any]]], guest: Guest, work: Path,
                qemu: Qemu, preload: Path | None) -> Machine:  # fmt: skip
    """A QEMU with the VFs and their options that waits for the guest."""
    arguments = ["-incoming", "defer"]
    for number, (vf, options) in enumerate(vfs):
        arguments += ["-device", json.dumps(nic_arguments(number, vf.bdf, **options))]
    return Machine(name, guest, work, arguments, qemu, preload)


def _limits(machine: Machine, limit_ms: int) -> None:
    machine.command(
        "migrate-set-parameters", downtime_limit=limit_ms,
        avail_switchover_bandwidth=TRACKED_RATE if limit_ms <= TRACKED_LIMIT_MS else 0,
    )  # fmt: skip


def _configure(machine: Machine, bandwidth: int, pause: bool, mode: Mode, limit_ms: int) -> None:
    wanted = {
        "events": True,
        # Without the return path, the source could complete before the destination fails.
        "return-path": True,
        "switchover-ack": True,
        "pause-before-switchover": pause,
        "multifd": mode.multifd,
    }
    machine.command(
        "migrate-set-capabilities",
        capabilities=[{"capability": k, "state": v} for k, v in wanted.items()],
    )
    machine.command(
        "migrate-set-parameters", max_bandwidth=bandwidth, multifd_channels=CHANNELS
    )  # fmt: skip
    _limits(machine, limit_ms)
    apart = "on" if mode.apart else "off"
    peripherals = machine.command("qom-list", path="/machine/peripheral")
    for name in {p["name"] for p in peripherals} & {nic_id(number) for number in range(NICS)}:
        machine.command("qom-set", path=f"/machine/peripheral/{name}",
                        property="x-migration-multifd-transfer", value=apart)  # fmt: skip


class Sink:
    """A destination that reads the migration stream, discards it and never runs."""

    def __init__(self, path: Path) -> None:
        self.uri = f"unix:{path}"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while connection.recv(1 << 16):
                pass


class Migration:
    """A migration, as the source's status and trace and the destination's events show it."""

    def __init__(self, source: Machine, dest: Machine | None, uri: str, *, bandwidth: int = FAST,
                 pause: bool = False, mode: Mode = PLAIN,
                 limit_ms: int = DOWNTIME_LIMIT_MS) -> None:  # fmt: skip
        self.source = source
        self.dest = dest
        self.mode = mode
        # The source's trace also has its earlier migrations.
        self._seen = (len(source.traced(SAVED)), source.count(SENT_APART), len(source.states()),
                      source.count(TRACKED))  # fmt: skip
        if dest:
            _configure(dest, bandwidth, False, mode, limit_ms)
            dest.command("migrate-incoming", uri=uri)
        _configure(source, bandwidth, pause, mode, limit_ms)
        self.begin = now_ms()
        self.end: float | None = None
        source.command("migrate", uri=uri)

    def hurry(self, limit_ms: int) -> None:
        """Set the downtime limit of the running migration."""
        _limits(self.source, limit_ms)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.source.command("query-migrate")
        return answer

    def memory_bytes(self) -> int:
        """What has been sent so far."""
        return int(self.status().get("ram", {}).get("transferred", 0))

    def wait(self, *wanted: str) -> dict[str, Any]:
        """Wait for one of these phases; any other end of the migration is a failure."""

        def reached() -> dict[str, Any] | None:
            status = self.status()
            if status.get("status") in wanted:
                return status
            if status.get("status") in ENDED:
                why = status.get("error-desc", "no reason given")
                raise Failure(f"the migration {status['status']}: {why}")
            return None

        status = until(f"migration to be {' or '.join(wanted)}", MIGRATION_SECONDS, reached)
        if status["status"] in ENDED:
            self.end = now_ms()
        return status

    def wait_runs(self, machine: Machine) -> float:
        """Wait until the guest runs again in this machine; return when that was."""
        stopped = self.source.qmp.wait_event("STOP", self.begin, MIGRATION_SECONDS)
        return machine.qmp.wait_event("RESUME", stopped.ms, MIGRATION_SECONDS).ms

    def source_states(self) -> list[tuple[str, str]]:
        """(device, state), in the order in which the source's devices took them."""
        return self.source.states()[self._seen[2] :]

    def _spans(self) -> list[Span]:
        spans = []
        for side, machine in (("source", self.source), ("destination", self.dest)):
            if not machine:
                continue
            # The destination had its first states before the migration began.
            begin = 0 if side == "destination" else self.begin
            events = [
                event
                for event in machine.qmp.since(begin, "VFIO_MIGRATION")
                if not event.data["device-state"].endswith("-prepare")
            ]
            for i, event in enumerate(events):
                after = events[i + 1].ms if i + 1 < len(events) else None
                spans.append(
                    Span(
                        side=side,
                        state=event.data["device-state"],
                        start_ms=round(event.ms - self.begin, 3),
                        duration_ms=round(after - event.ms, 3) if after else None,
                    )
                )
        return spans

    def fill(self, record: Record, resumed: float | None) -> None:
        """Fill in all that QEMU reports about this migration."""
        status = self.status()
        record.outcome = status["status"]
        record.total_ms = status.get("total-time")
        record.downtime_ms = status.get("downtime")
        record.memory_bytes = status.get("ram", {}).get("transferred", 0)
        record.device_bytes_saved = status.get("vfio", {}).get("transferred", 0)
        record.memory_bytes_stopped = status.get("ram", {}).get("downtime-bytes")
        blocks, apart, _, tracked = self._seen
        record.tracked = self.source.count(TRACKED) > tracked
        record.device_bytes_in_line = sum(self.source.traced(SAVED)[blocks:])
        record.devices_sent_apart = self.source.count(SENT_APART) - apart
        if self.dest:
            record.device_bytes_loaded = sum(self.dest.traced(LOADED))
            record.devices_taken_apart = self.dest.count(TAKEN_APART)
        stops = self.source.qmp.since(self.begin, "STOP")
        if resumed and stops:
            record.stopped_ms = round(resumed - stops[0].ms, 3)
        record.states = self._spans()
