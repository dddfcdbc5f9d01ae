# SPDX-License-Identifier: GPL-2.0-only
"""What is done in which order.  A step is an action and the names of its checks, in order."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .bed import Bed
from .migrate import APART, MULTIFD, PLAIN, Mode
from .output import Output
from .scenario import (
    Hop,
    cancel_blackout,
    cancel_precopy,
    finish,
    kernel_log,
    lose_destination,
    lose_destination_midway,
    move,
    refused,
    self_test,
    start,
    walks_judged,
)

Action = Callable[[Bed, Output, list[str]], None]


@dataclass(frozen=True)
class Step:
    action: Action
    checks: list[str]


def _move_step(what: str, hop: Hop = Hop()) -> Step:
    return Step(
        partial(move, hop=hop),
        [
            f"{what}: the migration completes and carries device state",
            f"{what}: the devices walk their states in order, and together",
            f"{what}: all device state that was saved is loaded",
            f"{what}: the source's VFs are released and unbound",
            f"{what}: the transfer goes on both ways through every VF",
        ],
    )


def _stay_step(action: Action, what: str) -> Step:
    return Step(
        action,
        [
            f"{what}: the migration ends so and the devices of the source run",
            f"{what}: the transfer goes on both ways through every VF of the source",
        ],
    )


_START = Step(
    start,
    ["the guest's only network devices are VFs", "the transfer runs both ways through every VF"],
)
_FINISH = Step(finish, ["every byte of the transfer arrived once and in order, both ways"])
_KERNEL_LOG = Step(kernel_log, ["L1's kernel had nothing to complain of"])

DEMO = [_START, _move_step("VF0 to VF1"), _move_step("VF1 to VF0"), _FINISH]
FULL = [
    Step(self_test, ["the receiver sees a flipped byte and names its offset"]),
    _START,
    _move_step("VF0 to VF1"),
    _stay_step(cancel_precopy, "cancelled while the guest runs"),
    _stay_step(cancel_blackout, "cancelled in the blackout"),
    _stay_step(lose_destination, "destination killed in the blackout"),
    _stay_step(refused, "destination refuses the device"),
    _move_step("VF1 to VF0"),
    _FINISH,
    _KERNEL_LOG,
]
# For the figures: one migration after the other.
TEN = [
    _START,
    *(_move_step(f"migration {number}") for number in range(1, 11)),
    _FINISH,
    _KERNEL_LOG,
]
THERE_AND_BACK = [_START, _move_step("there"), _move_step("back"), _FINISH, _KERNEL_LOG]


def _hops(first: int, names: str, mode: Mode) -> list[Step]:
    """Migrations in a row, to the backport's QEMU (b) or to the stock one (s)."""
    return [
        _move_step(
            f"migration {number}, to {'stock' if name == 's' else 'backport'} QEMU, {mode.name}",
            Hop(name == "s", mode),
        )
        for number, name in enumerate(names, first)
    ]


# The guest starts in the backport's QEMU; "bssb" takes it through all four pairs of the two.
VERSIONS = [
    Step(walks_judged, ["a device that goes on before the other has arrived is seen"]),
    _START,
    *_hops(1, "bs", PLAIN),
    _stay_step(cancel_blackout, "cancelled in the blackout, stock to backport"),
    *_hops(3, "sb", PLAIN),
    _stay_step(cancel_precopy, "cancelled while the guest runs"),
    _stay_step(
        lose_destination_midway, "destination killed while memory flows and the guest runs"
    ),
    _stay_step(lose_destination, "destination killed in the blackout"),
    *_hops(5, "bssb", APART),
    *_hops(9, "sb", MULTIFD),
    _FINISH,
    _KERNEL_LOG,
]
