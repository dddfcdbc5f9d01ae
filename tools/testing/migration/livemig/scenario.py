# SPDX-License-Identifier: GPL-2.0-only
"""The actions on the guest and their checks; plans.py puts them in order."""

import contextlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from .bed import FLIPPED_OFFSET, QUIET_MS, Bed
from .engine import LOST
from .firmware import Firmware
from .machine import BACKPORT, Machine
from .migrate import (
    LOADED,
    NEVER_MS,
    PLAIN,
    SLOW,
    TRACKED_LIMIT_MS,
    Migration,
    Mode,
    Record,
    Sink,
)
from .output import Output
from .states import (
    ALONE,
    BACK_WALK,
    DESTINATION_WALK,
    RUNNING,
    SOURCE_WALK,
    TOGETHER,
    UNDISTURBED_WALK,
    States,
    Walk,
    told,
    walked,
)
from .traffic import Totals
from .vf import Vf
from .wait import Failure, TimedOut, now_ms, until

OTHER_DEVICE = 0x1042
STATES_SECONDS = 30
END_SECONDS = 240
COMPLAINT = re.compile(r"\b(WARNING|BUG|Oops|UBSAN|KASAN|Call Trace|blocked for more than)\b")


@dataclass(frozen=True)
class Hop:
    """One migration: the QEMU of the destination, and how the stream travels."""

    to_stock: bool = False
    mode: Mode = PLAIN
    to_blind: bool = False  # see Bed.destination
    ahead_fails: bool = False  # the firmware refuses the second image before the guest stops


def _sums(base: list[Totals], now: list[Totals]) -> dict[str, int]:
    return {
        "to_l1": sum(n.to_l1 - b.to_l1 for b, n in zip(base, now, strict=True)),
        "to_guest": sum(n.to_guest - b.to_guest for b, n in zip(base, now, strict=True)),
    }


def _names(vfs: tuple[Vf, ...]) -> str:
    return "+".join(vf.name for vf in vfs)


def _addresses(vfs: tuple[Vf, ...]) -> str:
    return ", ".join(f"{vf.name} ({vf.bdf})" for vf in vfs)


def _interrupts(vfs: tuple[Vf, ...]) -> list[int]:
    return [vf.interrupts() for vf in vfs if not vf.connectx]


def _all_more(before: list[int], now: list[int]) -> bool:
    return all(b < n for b, n in zip(before, now, strict=True))


def _settled(states: Callable[[], States], walk: Walk) -> tuple[bool, States]:
    """Wait for the walk: QEMU reports that the guest runs before it sets the last states."""
    with contextlib.suppress(TimedOut):
        until("the devices' states", STATES_SECONDS, lambda: walked(states(), walk))
    seen = states()
    return walked(seen, walk), seen


def self_test(bed: Bed, out: Output, names: list[str]) -> None:
    said = bed.flip_is_seen()
    expected = f"error data at offset {FLIPPED_OFFSET}:"
    out.check(names[0], said.startswith(expected) and "(exit 1)" in said, said)


def walks_judged(_: Bed, out: Output, names: list[str]) -> None:
    accepted = [name for name, walk, states in ALONE if walked(states, walk)]
    refused_too = [name for name, walk, states in TOGETHER if not walked(states, walk)]
    out.check(
        names[0], not accepted and not refused_too,
        f"wrongly accepted: {accepted}, wrongly refused: {refused_too}",
    )  # fmt: skip


def start(bed: Bed, out: Output, names: list[str]) -> None:
    out.note(f"loading the guest's snapshot and plugging in {_addresses(bed.at)}")
    bed.start_guest()
    lines = [line for transfer in bed.transfers for line in transfer.guest.lines]
    nics = ", ".join(line for line in lines if line.startswith("nic "))
    out.check(names[0], bed.only_nics_are_vfs(), f"{bed.nics()}, the guest's driver found: {nics}")
    if bed.engine:
        begin = bed.engine.wait_pass(1)
        now = bed.engine.wait_written(begin)
        out.check(names[1], now.before > begin.after, f"{begin}\n{now}")
        names = names[1:]
    if not bed.transfers:
        return

    received = bed.received()
    base = bed.totals()
    begin = now_ms()
    now = bed.progress(base)
    until("a quiet second", 30, lambda: now_ms() > begin + QUIET_MS)
    gap = bed.gaps(begin, now_ms())
    passed = bed.received() - received
    interrupts = _interrupts(bed.at)
    good = passed >= _sums(base, now)["to_l1"] and all(interrupts)
    out.check(
        names[1], good,
        f"{_sums(base, now)}, {passed} bytes received by {bed.setup.interface}, "
        f"{interrupts} interrupts of {_names(bed.at)}; "
        f"longest silence without a migration {max(gap):.0f} ms",
    )  # fmt: skip


def _silences(bed: Bed, record: Record, begin: float, end: float, reports: list[int]) -> None:
    to_l1, to_guest = bed.gaps(begin, end)
    record.silence_to_l1_ms = to_l1
    record.silence_to_guest_ms = to_guest
    record.silence_guest_clock_ms = bed.guest_gap(reports)


def _after(bed: Bed, record: Record, begin: float, base: list[Totals],
           reports: list[int]) -> list[Totals]:
    """Wait for progress of the transfer; record its silences since the migration began."""
    here = bed.totals()
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


def move(bed: Bed, out: Output, names: list[str], hop: Hop = Hop()) -> None:
    source, target = bed.at, bed.other
    qemu = bed.setup.stock if hop.to_stock else BACKPORT
    name = f"{_names(source)} to {_names(target)}"
    record = Record(name, _addresses(source), _addresses(target))
    out.note(f"{record.name}: starting the destination's QEMU ({qemu.name})")
    dest = bed.destination(qemu, blind=hop.to_blind)
    base, reports = bed.totals(), bed.reports()

    uri = f"unix:{bed.setup.work / dest.name}.migration"
    if hop.ahead_fails:
        migration = _ahead_refused(bed, out, dest, uri)
    else:
        migration = Migration(bed.machine, dest, uri, mode=hop.mode, limit_ms=bed.limit_ms)
    resumed = migration.wait_runs(dest)
    migration.wait("completed")
    migration.fill(record, resumed)
    bed.records.append(record)
    out.check(
        names[0], record.outcome == "completed" and record.device_bytes_saved > 0,
        f"QEMU {bed.machine.version()} to {dest.version()}: {record.total_ms} ms, "
        f"{record.device_bytes_saved} bytes of device state, {record.memory_bytes} bytes of memory",
    )  # fmt: skip

    left, gone = _settled(migration.source_states, SOURCE_WALK)
    arrived, came = _settled(dest.states, DESTINATION_WALK)
    out.check(
        names[1], left and arrived, f"source: {told(gone)}\ndestination: {told(came)}"
    )  # fmt: skip
    good, detail = _all_loaded(record, hop.mode, len(target))
    out.check(names[2], good, detail)

    bed.moved_to(dest)
    if bed.engine:
        _engine_after(bed, record, out, names[3])
        names = [*names[:3], *names[4:]]
    for vf in source:
        vf.unbind()
    good = not any(vf.driver for vf in source) and dest.opened() >= {vf.group for vf in target}
    out.check(
        names[3], good, f"{_names(source)} without a driver, QEMU holds {sorted(dest.opened())}"
    )

    if bed.transfers:
        _transfers_after(bed, record, out, names[4], migration.begin, base, reports)
    for vf in source:
        vf.rebind()
    out.migrated(record)


def _ahead_refused(bed: Bed, out: Output, dest: Machine, uri: str) -> Migration:
    """The firmware refuses the second image; then the guest may stop."""
    firmware = Firmware(bed.at[-1])
    firmware.pad()
    migration = Migration(bed.machine, dest, uri, limit_ms=NEVER_MS)
    firmware.wait_first("save")
    firmware.refuse("save", once=True)
    firmware.wait_refused("save")
    out.note(f"the firmware of {bed.at[-1].name} refused an image while the guest runs")
    migration.hurry(bed.limit_ms)
    return migration


def _transfers_after(bed: Bed, record: Record, out: Output, name: str, begin: float,
                     base: list[Totals], reports: list[int]) -> None:  # fmt: skip
    target, dest = bed.at, bed.machine
    interrupts, used = _interrupts(target), dest.cpu_seconds()
    _after(bed, record, begin, base, reports)
    now = _interrupts(target)
    out.check(
        name, bed.only_nics_are_vfs() and _all_more(interrupts, now),
        f"{_describe(record)}, {now} interrupts of {_names(target)}, "
        f"{dest.cpu_seconds() - used:.1f} s of processor",
    )  # fmt: skip


def _engine_after(bed: Bed, record: Record, out: Output, name: str) -> None:
    """Check that a whole pass on this side finds no error, and that the engine goes on."""
    engine = bed.engine
    assert engine
    left = engine.last()
    first = engine.wait_pass(1)  # it may have begun at the source
    here = engine.wait_written(first)
    good = left is not None and here.before > first.after >= left.after
    good = good and record.tracked == bed.tracked
    out.check(name, good, f"before: {left}\nafter: {here}\n{_cost(record)}")


def _cost(record: Record) -> str:
    return (
        f"pages tracked by {'the device' if record.tracked else 'nobody'}; stopped for "
        f"{record.stopped_ms} ms, QEMU's downtime {record.downtime_ms} ms, "
        f"{record.memory_bytes_stopped} of {record.memory_bytes} bytes of memory sent then"
    )


def lose_pages(bed: Bed, out: Output, names: list[str]) -> None:
    """A migration by a blind QEMU: the test must notice pages that were not sent again."""
    dest = bed.destination()
    engine = bed.engine
    assert engine
    out.note("a migration by a QEMU that gets none of the VF's dirty pages")
    uri = f"unix:{bed.setup.work / dest.name}.migration"
    migration = Migration(bed.machine, dest, uri, limit_ms=TRACKED_LIMIT_MS)
    migration.wait_runs(dest)
    migration.wait("completed")
    bed.moved_to(dest)
    said = engine.wait_lost()
    lost = LOST.search(said)
    out.check(names[0], bool(lost) and int(lost[1]) > 0, said)


def _all_loaded(record: Record, mode: Mode, devices: int) -> tuple[bool, str]:
    """Check that the destination got all that was saved, in the requested mode."""
    detail = (
        f"{record.device_bytes_saved} saved, {record.device_bytes_in_line} of them sent between "
        f"the memory, {record.device_bytes_loaded} loaded from there; on channels of their own: "
        f"{record.devices_sent_apart} devices sent, {record.devices_taken_apart} taken"
    )
    apart = (record.devices_sent_apart, record.devices_taken_apart)
    rest = record.device_bytes_saved - record.device_bytes_in_line
    good = record.device_bytes_loaded == record.device_bytes_in_line
    if mode.apart:
        return good and rest > 0 and apart == (devices, devices), detail
    return good and rest == 0 and apart == (0, 0), detail


def _stay(bed: Bed, out: Output, names: list[str], what: str, outcome: str,
          disturb: Callable[[Bed], tuple[Migration, Machine | None]]) -> None:  # fmt: skip
    """A migration that must fail and leave the guest running at the source."""
    source, target = bed.at, bed.other
    record = Record(what, _addresses(source), _addresses(target))
    base, reports = bed.totals(), bed.reports()
    out.note(f"{_names(source)} to {_names(target)}, {what}")
    migration, dest = disturb(bed)
    stopped = bool(migration.source.qmp.since(migration.begin, "STOP"))
    resumed = migration.wait_runs(bed.machine) if stopped else None
    good, gone = _settled(migration.source_states, BACK_WALK if stopped else UNDISTURBED_WALK)
    migration.fill(record, resumed)
    bed.records.append(record)
    good = good and record.outcome == outcome
    out.check(names[0], good, f"{record.outcome}; source: {told(gone)}")

    if dest:
        until("the destination's end", 60, lambda: not dest.alive())
    if bed.engine:
        left = bed.engine.wait_pass(1)
        here = bed.engine.wait_written(left)
        out.check(names[1], here.before > left.after, f"{left}\n{here}")
        names = names[1:]
    if not bed.transfers:
        return
    interrupts = _interrupts(source)
    _after(bed, record, migration.begin, base, reports)
    now = _interrupts(source)
    out.check(
        names[1], bed.only_nics_are_vfs() and _all_more(interrupts, now),
        f"{_describe(record)}, {now} interrupts of {_names(source)}",
    )  # fmt: skip


def cancel_precopy(bed: Bed, out: Output, names: list[str]) -> None:
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
    """A migration held in the blackout: the guest is stopped, the device in STOP_COPY."""
    dest = bed.destination()
    uri = f"unix:{bed.setup.work / dest.name}.migration"
    migration = Migration(bed.machine, dest, uri, pause=True)
    migration.wait("pre-switchover")
    bed.machine.qmp.wait_event("VFIO_MIGRATION", migration.begin, 30, device_state="stop-copy")
    return migration, dest


def cancel_blackout(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        migration, dest = _paused(bed)
        bed.machine.command("migrate_cancel")
        migration.wait("cancelled")
        return migration, dest

    _stay(bed, out, names, "cancelled in the blackout", "cancelled", disturb)


def lose_destination_midway(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        dest = bed.destination(bed.setup.stock)
        uri = f"unix:{bed.setup.work / dest.name}.migration"
        migration = Migration(bed.machine, dest, uri, bandwidth=SLOW)
        until("memory to flow", 60, lambda: migration.memory_bytes() > SLOW)
        dest.kill()
        migration.wait("failed")
        return migration, dest

    _stay(bed, out, names, "the destination dies while memory flows", "failed", disturb)


def lose_destination(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        migration, dest = _paused(bed)
        dest.kill()
        bed.machine.command("migrate-continue", state="pre-switchover")
        migration.wait("failed")
        return migration, dest

    _stay(bed, out, names, "the destination dies in the blackout", "failed", disturb)


def refused(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        # QEMU notices the other device ID only after it has loaded the whole state.
        dest = bed.destination(**{"x-pci-device-id": OTHER_DEVICE})
        uri = f"unix:{bed.setup.work / dest.name}.migration"
        migration = Migration(bed.machine, dest, uri)
        migration.wait("failed")
        if not dest.traced(LOADED):
            raise Failure("the destination refused before it had loaded any device state")
        return migration, dest

    _stay(bed, out, names, "the destination refuses the device", "failed", disturb)


def _refuse(bed: Bed, what: str) -> tuple[Migration, Machine]:
    """A migration that fails because the source's firmware refuses this command from PRE_COPY on."""
    dest = bed.destination()
    firmware = Firmware(bed.at[-1])
    uri = f"unix:{bed.setup.work / dest.name}.migration"
    migration = Migration(bed.machine, dest, uri, limit_ms=NEVER_MS)
    bed.machine.qmp.wait_event("VFIO_MIGRATION", migration.begin, 30, device_state="pre-copy")
    firmware.wait_first("save")
    firmware.refuse(what)
    migration.hurry(bed.limit_ms)
    migration.wait("failed")
    firmware.obey(what)
    return migration, dest


def save_fails(bed: Bed, out: Output, names: list[str]) -> None:
    def disturb(bed: Bed) -> tuple[Migration, Machine]:
        migration, dest = _refuse(bed, "save")
        # read() reports the error: QEMU would reset the VF if STOP_COPY could not be entered.
        if not migration.source.qmp.since(migration.begin, "STOP"):
            raise Failure("the migration failed before the guest stopped")
        return migration, dest

    _stay(bed, out, names, "the source's firmware refuses the final save", "failed", disturb)


def stop_fails(bed: Bed, out: Output, names: list[str]) -> None:
    """QEMU resets a VF that it cannot stop, which the guest's driver does not survive."""
    migration, dest = _refuse(bed, "stop")
    until("the destination's end", 60, lambda: not dest.alive())
    migration.wait_runs(bed.machine)
    seen = migration.source_states()
    good = seen[-1][1] == RUNNING and "STOP_COPY" not in {state for _, state in seen}
    good = good and bed.machine.command("query-status")["status"] == "running"
    out.check(names[0], good, f"source: {told(seen)}")


def finish(bed: Bed, out: Output, names: list[str]) -> None:
    bed.finish(END_SECONDS)
    good = bool(bed.transfers)
    said = []
    for transfer in bed.transfers:
        l1, guest = transfer.l1.end, transfer.guest.end
        if not l1 or not guest:
            raise Failure("an end of the transfer did not finish")
        good = good and l1.tx == guest.rx > 0 and guest.tx == l1.rx > 0
        said.append(
            f"L1 to guest: {l1.tx} sent, {guest.rx} verified; guest to L1: {guest.tx} sent, "
            f"{l1.rx} verified; {l1.retrans} + {guest.retrans} segments sent again"
        )
    out.check(names[0], good, "\n".join(said))


def kernel_log(_: Bed, out: Output, names: list[str]) -> None:
    log = subprocess.getoutput("dmesg").splitlines()
    complaints = [line for line in log if COMPLAINT.search(line)]
    out.check(names[0], bool(log) and not complaints, "\n".join(complaints[:5]))
