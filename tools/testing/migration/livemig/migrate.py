# SPDX-License-Identifier: GPL-2.0-only
"""One migration: how QEMU is told to do it, and the record of what happened."""

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
SLOW = 256 * 1024  # bytes/s: a migration that does not get past its first phase
FAST = 1 << 40
# Without dirty tracking in device or IOMMU, all memory is sent again in the blackout.
DOWNTIME_LIMIT_MS = int(60000 * PATIENCE)
# With it, the guest is stopped when what is left would take QEMU's usual 300 ms at a rate that is
# given, as the one that QEMU measures between its looks for pages says more of the looks.
TRACKED_LIMIT_MS = 300
# Shorter than any memory takes that a guest still writes to: QEMU stays in PRE_COPY until hurry().
NEVER_MS = 1
TRACKED_RATE = 16 << 20
# In the trace of a destination: a piece of device state that the kernel took.
LOADED = r"vfio_load_state_device_data .*?size (\d+) ret 0"
# In that of a source: one that was sent.
SAVED = r"vfio_save_block .*?data_size (\d+)"
# In that of a source: the devices have been asked to note what they write to.
TRACKED = r"vfio_device_dirty_tracking_start "
# A device whose state went over channels of its own (source; destination).
SENT_APART = r"vfio_save_complete_precopy_thread_end .* ret 1\b"  # true
TAKEN_APART = r"vfio_load_bufs_thread_end "
CHANNELS = 2
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Mode:
    """How the stream travels."""

    name: str
    multifd: bool = False  # memory over several channels
    apart: bool = False  # and the final state of each device as well


PLAIN = Mode("plain")
MULTIFD = Mode("multifd", multifd=True)
APART = Mode("multifd with device state", multifd=True, apart=True)


@dataclass
class Span:
    """A device state, as QEMU's event named it, and how long it lasted."""

    side: str
    state: str
    start_ms: float  # from the beginning of the migration
    duration_ms: float | None = None  # None: it was still so at the end


@dataclass
class Record:
    name: str
    source: str
    destination: str
    outcome: str = "unknown"
    total_ms: float | None = None
    downtime_ms: float | None = None  # as QEMU accounts it
    stopped_ms: float | None = None  # from the source's STOP to the next RESUME
    device_bytes_saved: int = 0
    device_bytes_loaded: int = 0
    device_bytes_in_line: int = 0  # of those saved: between the memory, on the main channel
    devices_sent_apart: int = 0
    devices_taken_apart: int = 0
    memory_bytes: int = 0
    memory_bytes_stopped: int | None = None  # of those: sent while the guest was stopped
    tracked: bool = False  # the devices have told QEMU of the pages that they wrote to
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
    """A QEMU that has the VFs, with options of theirs, and waits for the guest."""
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
        # The destination's verdict counts: without it the source may have ended already.
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
    """Takes a migration stream and forgets it: a destination that never gets to run."""

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
    """The source's side of it; what the destination does is seen in its events."""

    def __init__(self, source: Machine, dest: Machine | None, uri: str, *, bandwidth: int = FAST,
                 pause: bool = False, mode: Mode = PLAIN,
                 limit_ms: int = DOWNTIME_LIMIT_MS) -> None:  # fmt: skip
        self.source = source
        self.dest = dest
        self.mode = mode
        # The source's trace tells of its earlier migrations as well.
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
        """The guest may stop for this long from now on."""
        _limits(self.source, limit_ms)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.source.command("query-migrate")
        return answer

    def memory_bytes(self) -> int:
        """What has been sent so far."""
        return int(self.status().get("ram", {}).get("transferred", 0))

    def wait(self, *wanted: str) -> dict[str, Any]:
        """Until the migration is in one of these phases; an unwanted end is a failure."""

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
        """When the guest ran again, on either side."""
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
            # The destination took its first states before the migration began.
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
        """Everything QEMU can tell about this migration."""
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
