# SPDX-License-Identifier: GPL-2.0-only
"""The states of a guest's devices, in the order of QEMU's trace.

Devices may write to one another, so no device may stop while another can still send: all devices
reach the P2P state, in which they start no DMA, before any stops. On the way to RUNNING, all
devices leave STOP before any sends.
"""

from dataclasses import dataclass

States = list[tuple[str, str]]  # (device, state)

RUNNING = "RUNNING"


@dataclass(frozen=True)
class Walk:
    """The states that every device takes, and the one that all reach before any goes on."""

    states: tuple[str, ...]
    meet: str | None = None
    forbidden: str | None = None  # a state that no device may take


SOURCE_WALK = Walk(("PRE_COPY", "PRE_COPY_P2P", "STOP_COPY"), "PRE_COPY_P2P", RUNNING)
DESTINATION_WALK = Walk(("RESUMING", "RUNNING_P2P", RUNNING), "RUNNING_P2P")
# A source that runs again after the stop.
BACK_WALK = Walk(("PRE_COPY", "PRE_COPY_P2P", "STOP_COPY", "RUNNING_P2P", RUNNING), "PRE_COPY_P2P")
UNDISTURBED_WALK = Walk(("PRE_COPY", RUNNING))


def _by_device(seen: States) -> dict[str, list[str]]:
    devices: dict[str, list[str]] = {}
    for device, state in seen:
        devices.setdefault(device, []).append(state)
    return devices


def _passed(wanted: tuple[str, ...], states: list[str]) -> bool:
    rest = iter(states)
    return all(state in rest for state in wanted)


def _met(walk: Walk, seen: States, devices: set[str]) -> bool:
    """No device leaves the common state before all have reached it."""
    after = walk.states[walk.states.index(walk.meet) + 1]
    there: set[str] = set()
    for device, state in seen:
        if state == walk.meet:
            there.add(device)
        elif state == after:
            return there == devices
    return False


def walked(seen: States, walk: Walk) -> bool:
    devices = _by_device(seen)
    good = bool(devices) and all(_passed(walk.states, states) for states in devices.values())
    if walk.forbidden:
        good = good and walk.forbidden not in {state for _, state in seen}
    return good and (not walk.meet or _met(walk, seen, set(devices)))


def told(seen: States) -> str:
    return ", ".join(f"{device} {state}" for device, state in seen)


def _seen(text: str) -> States:
    """From "a:STATE b:STATE ..."."""
    return [(word.partition(":")[0], word.partition(":")[2]) for word in text.split()]


# For a test of walked(): (name, walk, states in order).
TOGETHER = [
    ("both leave", SOURCE_WALK, _seen(
        "a:PRE_COPY b:PRE_COPY b:PRE_COPY_P2P a:PRE_COPY_P2P b:STOP_COPY a:STOP_COPY a:STOP")),
    ("both arrive", DESTINATION_WALK, _seen(
        "a:RESUMING b:RESUMING a:RUNNING_P2P b:RUNNING_P2P a:RUNNING b:RUNNING")),
]  # fmt: skip
ALONE = [
    ("one stops early", SOURCE_WALK, _seen(
        "a:PRE_COPY b:PRE_COPY b:PRE_COPY_P2P b:STOP_COPY a:PRE_COPY_P2P a:STOP_COPY a:STOP")),
    ("one stops at once", SOURCE_WALK, _seen(
        "a:PRE_COPY b:PRE_COPY b:PRE_COPY_P2P a:STOP_COPY b:STOP_COPY a:STOP b:STOP")),
    ("one runs again", SOURCE_WALK, _seen(
        "a:PRE_COPY b:PRE_COPY a:PRE_COPY_P2P b:PRE_COPY_P2P a:STOP_COPY b:STOP_COPY a:RUNNING")),
    ("one runs early", DESTINATION_WALK, _seen(
        "a:RESUMING b:RESUMING a:RUNNING_P2P a:RUNNING b:RUNNING_P2P b:RUNNING")),
    ("one runs at once", DESTINATION_WALK, _seen(
        "a:RESUMING b:RESUMING a:RUNNING_P2P b:RUNNING a:RUNNING")),
    ("one is missing", DESTINATION_WALK, _seen(
        "a:RESUMING b:RESUMING a:RUNNING_P2P a:RUNNING")),
    ("nobody", SOURCE_WALK, []),
]  # fmt: skip
