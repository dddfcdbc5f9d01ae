# SPDX-License-Identifier: GPL-2.0-only
"""What is done to the guest, and what must be true afterwards.

A step is a function and the names of the checks it makes, in order.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from .bed import FLIPPED_OFFSET, QUIET_MS, Bed
from .machine import Machine
from .migrate import LOADED, SLOW, Migration, Record, Sink
from .output import Output
from .traffic import Totals
from .wait import Failure, now_ms, until

RUNNING = "running"
OTHER_DEVICE = 0x1042
COMPLAINT = re.compile(r"\b(WARNING|BUG|Oops|UBSAN|KASAN|Call Trace|blocked for more than)\b")
# Where the device's state leaves the source and where it enters the destination.
SOURCE_WALK = ["pre-copy", "pre-copy-p2p", "stop-copy"]
DESTINATION_WALK = ["resuming", "running-p2p", RUNNING]


@dataclass(frozen=True)
class Step:
    action: Callable[[Bed, Output, list[str]], None]
    checks: list[str]


def _in_order(wanted: list[str], seen: list[str]) -> bool:
    rest = iter(seen)
    return all(state in rest for state in wanted)


def _sums(base: Totals, now: Totals) -> dict[str, int]:
    return {
        "to_l1": now.to_l1 - base.to_l1,
        "to_guest": now.to_guest - base.to_guest,
    }


def _self_test(bed: Bed, out: Output, names: list[str]) -> None:
    said = bed.flip_is_seen()
    expected = f"error data at offset {FLIPPED_OFFSET}:"
    out.check(names[0], said.startswith(expected) and "(exit 1)" in said, said)


def _start(bed: Bed, out: Output, names: list[str]) -> None:
    out.note(f"loading the guest's snapshot and plugging in {bed.at.name} ({bed.at.bdf})")
    bed.start_guest()
    nic = next(line for line in bed.transfer.guest.lines if line.startswith("nic "))
    out.check(names[0], bed.only_nic_is_vf(), f"{bed.nics()}, the guest's driver found: {nic}")

    received = bed.received()
    base = bed.transfer.totals()
    begin = now_ms()
    now = bed.progress(base)
    until("a quiet second", 30, lambda: now_ms() > begin + QUIET_MS)
    gap = bed.transfer.gaps(begin, now_ms())
    passed = bed.received() - received
    good = passed >= now.to_l1 - base.to_l1 and bed.at.interrupts() > 0
    out.check(
        names[1], good,
        f"{_sums(base, now)}, {passed} bytes received by {bed.setup.interface}, "
        f"{bed.at.interrupts()} interrupts of {bed.at.name}; "
        f"longest silence without a migration {max(gap):.0f} ms",
    )  # fmt: skip


def _silences(bed: Bed, record: Record, begin: float, end: float, reports: int) -> None:
    to_l1, to_guest = bed.transfer.gaps(begin, end)
    record.silence_to_l1_ms = to_l1
    record.silence_to_guest_ms = to_guest
    during = bed.transfer.guest.samples[reports:]
    record.silence_guest_clock_ms = max((s.rx_gap for s in during), default=None)


def _after(bed: Bed, record: Record, begin: float, base: Totals, reports: int) -> Totals:
    """The transfer goes on from here; its silences are those since the beginning."""
    here = bed.transfer.totals()
    record.bytes_during = _sums(base, here)
    now = bed.progress(here)
    record.bytes_after = _sums(here, now)
    _silences(bed, record, begin, now_ms(), reports)
    return now


def _describe(record: Record) -> str:
    text = (
        f"longest silence: to L1 {record.silence_to_l1_ms:.0f} ms, to the guest "
        f"{record.silence_to_guest_ms:.0f} ms (L1's clock); the guest's own clock, which "
        f"stands still while it is stopped: {record.silence_guest_clock_ms:.0f} ms\n"
    )
    text += f"stopped for {record.stopped_ms} ms, " if record.stopped_ms else ""
    text += f"QEMU's downtime {record.downtime_ms} ms, " if record.downtime_ms is not None else ""
    return text + f"{record.bytes_during} during, {record.bytes_after} after"


def _move(bed: Bed, out: Output, names: list[str]) -> None:
    source, target = bed.at, bed.other
    record = Record(f"{source.name} to {target.name}", source.bdf, target.bdf)
    out.note(f"{record.name} ({target.bdf}): starting the destination's QEMU")
    dest = bed.destination()
    base, reports = bed.transfer.totals(), len(bed.transfer.guest.samples)

    uri = f"unix:{bed.setup.work / dest.name}.migration"
    migration = Migration(bed.machine, dest, uri)
    resumed = migration.wait_runs(dest)
    migration.wait("completed")
    migration.fill(record, resumed)
    bed.records.append(record)
    out.check(
        names[0], record.outcome == "completed" and record.device_bytes_saved > 0,
        f"{record.total_ms} ms, {record.device_bytes_saved} bytes of device state, "
        f"{record.memory_bytes} bytes of memory",
    )  # fmt: skip

    gone, came = record.state_names("source"), record.state_names("destination")
    left = RUNNING not in gone[gone.index("pre-copy") :] if "pre-copy" in gone else False
    good = left and _in_order(SOURCE_WALK, gone) and _in_order(DESTINATION_WALK, came)
    out.check(names[1], good, f"source {' '.join(gone)}; destination {' '.join(came)}")
    out.check(
        names[2], record.device_bytes_loaded == record.device_bytes_saved,
        f"{record.device_bytes_saved} saved, {record.device_bytes_loaded} loaded",
    )  # fmt: skip

    bed.moved_to(dest)
    source.unbind()
    good = source.driver is None and dest.opened() >= {target.group}
    out.check(names[3], good, f"{source.name} has no driver, QEMU holds {dest.opened()}")

    interrupts = target.interrupts()
    _after(bed, record, migration.begin, base, reports)
    interrupts = target.interrupts() - interrupts
    out.check(
        names[4], bed.only_nic_is_vf() and interrupts > 0,
        f"{_describe(record)}, {interrupts} interrupts of {target.name}",
    )  # fmt: skip
    source.rebind()
    out.migrated(record)


def _stay(bed: Bed, out: Output, names: list[str], what: str, outcome: str,
          disturb: Callable[[Bed], tuple[Migration, Machine | None]]) -> None:  # fmt: skip
    """A migration that must not succeed, and must leave the guest as it was."""
    source, target = bed.at, bed.other
    record = Record(what, source.bdf, target.bdf)
    base, reports = bed.transfer.totals(), len(bed.transfer.guest.samples)
    out.note(f"{source.name} to {target.name}, {what}")
    migration, dest = disturb(bed)
    stopped = bool(migration.source.qmp.since(migration.begin, "STOP"))
    resumed = migration.wait_runs(bed.machine) if stopped else None
    until("the source's device to run", 30, lambda: _source_state(migration) == RUNNING)
    migration.fill(record, resumed)
    bed.records.append(record)
    gone = record.state_names("source")
    good = record.outcome == outcome and "pre-copy" in gone and gone[-1] == RUNNING
    out.check(names[0], good, f"{record.outcome}; source {' '.join(gone)}")

    if dest:
        until("the destination's end", 60, lambda: not dest.alive())
    interrupts = source.interrupts()
    _after(bed, record, migration.begin, base, reports)
    interrupts = source.interrupts() - interrupts
    out.check(
        names[1], bed.only_nic_is_vf() and interrupts > 0,
        f"{_describe(record)}, {interrupts} interrupts of {source.name}",
    )  # fmt: skip


def _source_state(migration: Migration) -> str:
    events = migration.source.qmp.since(migration.begin, "VFIO_MIGRATION")
    return events[-1].data["device-state"] if events else ""


def _cancel_precopy(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, None]:
        sink = Sink(bed.setup.work / "sink.migration")
        migration = Migration(bed.machine, None, sink.uri, bandwidth=SLOW)
        migration.wait("active")
        bed.machine.qmp.wait_event("VFIO_MIGRATION", migration.begin, 30, device_state="pre-copy")
        bed.machine.command("migrate_cancel")
        migration.wait("cancelled")
        return migration, None

    _stay(bed, out, names, "cancelled while the guest runs", "cancelled", disturb)


def _paused(bed: Bed) -> tuple[Migration, Machine]:
    """A migration held in the blackout: guest stopped, device in STOP_COPY."""
    dest = bed.destination()
    uri = f"unix:{bed.setup.work / dest.name}.migration"
    migration = Migration(bed.machine, dest, uri, pause=True)
    migration.wait("pre-switchover")
    bed.machine.qmp.wait_event("VFIO_MIGRATION", migration.begin, 30, device_state="stop-copy")
    return migration, dest


def _cancel_blackout(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        migration, dest = _paused(bed)
        bed.machine.command("migrate_cancel")
        migration.wait("cancelled")
        return migration, dest

    _stay(bed, out, names, "cancelled in the blackout", "cancelled", disturb)


def _lose_destination(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        migration, dest = _paused(bed)
        dest.kill()
        bed.machine.command("migrate-continue", state="pre-switchover")
        migration.wait("failed")
        return migration, dest

    _stay(bed, out, names, "the destination dies in the blackout", "failed", disturb)


def _refused(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        # Another kind of device, to QEMU: found out when all of its state has been loaded.
        dest = bed.destination(**{"x-pci-device-id": OTHER_DEVICE})
        uri = f"unix:{bed.setup.work / dest.name}.migration"
        migration = Migration(bed.machine, dest, uri)
        migration.wait("failed")
        if not dest.traced(LOADED):
            raise Failure("the destination refused before it had loaded any device state")
        return migration, dest

    _stay(bed, out, names, "the destination refuses the device", "failed", disturb)


def _finish(bed: Bed, out: Output, names: list[str]) -> None:
    bed.transfer.finish(60)
    l1, guest = bed.transfer.l1.end, bed.transfer.guest.end
    if not l1 or not guest:
        raise Failure("an end of the transfer did not finish")
    good = l1.tx == guest.rx > 0 and guest.tx == l1.rx > 0
    out.check(
        names[0], good,
        f"L1 to guest: {l1.tx} sent, {guest.rx} verified; guest to L1: {guest.tx} sent, "
        f"{l1.rx} verified; {l1.retrans} + {guest.retrans} segments sent again",
    )  # fmt: skip


def _kernel_log(_: Bed, out: Output, names: list[str]) -> None:
    log = subprocess.getoutput("dmesg").splitlines()
    complaints = [line for line in log if COMPLAINT.search(line)]
    out.check(names[0], bool(log) and not complaints, "\n".join(complaints[:5]))


def _move_step(a: str, b: str) -> Step:
    return Step(
        _move,
        [
            f"{a} to {b}: the migration completes and carries device state",
            f"{a} to {b}: source and destination device walk their states in order",
            f"{a} to {b}: all device state that was saved is loaded",
            f"{a} to {b}: the source VF is released and unbound",
            f"{a} to {b}: the transfer goes on both ways through {b}",
        ],
    )


def _stay_step(action: Callable[[Bed, Output, list[str]], None], what: str, vf: str) -> Step:
    return Step(
        action,
        [
            f"{what}: the migration ends so and the device of the source runs",
            f"{what}: the transfer goes on both ways through {vf}",
        ],
    )


_START = Step(
    _start,
    ["the guest's only network device is the VF", "the transfer runs both ways through VF0"],
)
_FINISH = Step(_finish, ["every byte of the transfer arrived once and in order, both ways"])

DEMO = [_START, _move_step("VF0", "VF1"), _move_step("VF1", "VF0"), _FINISH]
FULL = [
    Step(_self_test, ["the receiver sees a flipped byte and names its offset"]),
    _START,
    _move_step("VF0", "VF1"),
    _stay_step(_cancel_precopy, "cancelled while the guest runs", "VF1"),
    _stay_step(_cancel_blackout, "cancelled in the blackout", "VF1"),
    _stay_step(_lose_destination, "destination killed in the blackout", "VF1"),
    _stay_step(_refused, "destination refuses the device", "VF1"),
    _move_step("VF1", "VF0"),
    _FINISH,
    Step(_kernel_log, ["L1's kernel had nothing to complain of"]),
]
