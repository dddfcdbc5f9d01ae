# SPDX-License-Identifier: GPL-2.0-only
"""The plans: lists of steps. A step is an action and the names of its checks, in order."""

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
    lose_pages,
    lose_destination,
    lose_destination_midway,
    move,
    refused,
    save_fails,
    self_test,
    start,
    stop_fails,
    walks_judged,
)

Action = Callable[[Bed, Output, list[str]], None]


@dataclass(frozen=True)
class Step:
    action: Action
    checks: list[str]


# How a guest uses its VFs
TRANSFER = "transfer"
ENGINE = "engine"


def _move_step(what: str, hop: Hop = Hop(), uses: tuple[str, ...] = (TRANSFER,)) -> Step:
    engine = [f"{what}: every word that the engine wrote is right, and the engine goes on"]
    transfer = [f"{what}: the transfer goes on both ways through every VF"]
    return Step(
        partial(move, hop=hop),
        [
            f"{what}: the migration completes and carries device state",
            f"{what}: the devices take their states in order, and together",
            f"{what}: all saved device state is loaded",
            *(engine if ENGINE in uses else []),
            f"{what}: the source's VFs are released and unbound",
            *(transfer if TRANSFER in uses else []),
        ],
    )


def _stay_step(action: Action, what: str, uses: tuple[str, ...] = (TRANSFER,)) -> Step:
    engine = [f"{what}: every word that the engine wrote is right, and the engine goes on"]
    transfer = [f"{what}: the transfer goes on both ways through every VF of the source"]
    return Step(
        action,
        [
            f"{what}: the migration ends as expected and the source's devices run",
            *(engine if ENGINE in uses else []),
            *(transfer if TRANSFER in uses else []),
        ],
    )


def _start(*uses: str) -> Step:
    checks = {
        ENGINE: "the engine writes to the guest's memory, and every word is right",
        TRANSFER: "the transfer runs both ways through every VF",
    }
    return Step(
        start,
        ["the guest's only network devices are VFs", *(checks[use] for use in checks if use in uses)],
    )


_START = _start(TRANSFER)
_FINISH = Step(finish, ["every byte of the transfer arrived once and in order, both ways"])
_KERNEL_LOG = Step(kernel_log, ["L1's kernel logged no warning"])

DEMO = [_START, _move_step("VF0 to VF1"), _move_step("VF1 to VF0"), _FINISH]
SAVE_FAILS = "the source's firmware refuses the final save"
_SELF_TEST = Step(self_test, ["the receiver notices a flipped byte and reports its offset"])
# The upstream driver passes these steps, too.
PEER = [
    _SELF_TEST,
    _START,
    _stay_step(cancel_precopy, "cancelled while the guest runs"),
    _stay_step(cancel_blackout, "cancelled in the blackout"),
    _stay_step(lose_destination, "destination killed in the blackout"),
    _stay_step(refused, "destination refuses the device"),
    _move_step("VF0 to VF1"),
    _move_step("VF1 to VF0"),
    _FINISH,
    _KERNEL_LOG,
]
FULL = [*PEER[:2], _stay_step(save_fails, SAVE_FAILS), *PEER[2:]]
# Ten migrations, for figures.
TEN = [
    _START,
    *(_move_step(f"migration {number}") for number in range(1, 11)),
    _FINISH,
    _KERNEL_LOG,
]
# Plans for a guest with a ConnectX VF; BOTH is for a guest with a VF of each kind.
WRITES = [
    _start(ENGINE),
    _stay_step(save_fails, SAVE_FAILS, (ENGINE,)),
    _move_step(
        "the source's firmware refuses an image before the guest stops",
        Hop(to_blind=True, ahead_fails=True),
        (ENGINE,),
    ),
    Step(lose_pages, ["a migration without the device's dirty pages: the guest finds wrong pages"]),
    Step(stop_fails, ["the source's firmware refuses to stop: the migration fails and the guest runs"]),
    _KERNEL_LOG,
]
FIGURES = [_start(ENGINE), _move_step("there", uses=(ENGINE,))]
TRACKED = [*FIGURES, _KERNEL_LOG]
_BOTH = (ENGINE, TRANSFER)
BOTH = [_start(*_BOTH), _move_step("there", uses=_BOTH), _FINISH, _KERNEL_LOG]


def _hops(first: int, names: str, mode: Mode) -> list[Step]:
    """Migrations in a row, to the backport's QEMU (b) or the stock one (s)."""
    return [
        _move_step(
            f"migration {number}, to {'stock' if name == 's' else 'backport'} QEMU, {mode.name}",
            Hop(name == "s", mode),
        )
        for number, name in enumerate(names, first)
    ]


# The guest starts in the backport's QEMU; "bssb" takes it through all four pairs of the two.
ALL_VERSIONS = [
    Step(walks_judged, ["the test notices a device that goes on before the other has arrived"]),
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
# Only these steps have the stock QEMU on either side, each mode of the stream, two VFs together.
VERSIONS = [
    Step(walks_judged, ["the test notices a device that goes on before the other has arrived"]),
    _START,
    *_hops(1, "s", PLAIN),
    _stay_step(cancel_blackout, "cancelled in the blackout, stock to backport"),
    _stay_step(
        lose_destination_midway, "destination killed while memory flows and the guest runs"
    ),
    *_hops(2, "sb", APART),
    *_hops(4, "s", MULTIFD),
    *_hops(5, "b", PLAIN),
    _FINISH,
    _KERNEL_LOG,
]
