# SPDX-License-Identifier: GPL-2.0-only
"""Waiting with a limit: nothing in the test waits for ever."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# All limits are so many times longer: on a kernel that is slower by nature.
PATIENCE = float(os.environ.get("PATIENCE", "1"))


class Failure(Exception):
    """The test cannot go on; the message says what was expected."""


class TimedOut(Failure):
    """What was awaited did not come."""


def until(what: str, seconds: float, condition: Callable[[], T | None], step: float = 0.02) -> T:
    """Return the condition's first true value; fail when it does not come."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimedOut(f"{what}: not within {seconds:g} s")
        time.sleep(step)


def now_ms() -> float:
    """The clock that all times of the test are given in."""
    return time.monotonic() * 1e3
