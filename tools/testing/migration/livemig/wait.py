# SPDX-License-Identifier: GPL-2.0-only
"""Waiting with a limit, so that the test never hangs."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# All limits are this many times longer, for slow kernels.
PATIENCE = float(os.environ.get("PATIENCE", "1"))


class Failure(Exception):
    """The test cannot continue; the message says what was expected."""


class Ended(Failure):
    """A signal ends the test."""


class TimedOut(Failure):
    """A wait reached its limit."""


def until(what: str, seconds: float, condition: Callable[[], T | None], step: float = 0.02) -> T:
    """Return the condition's first true value; fail after the limit."""
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
    """The clock of all times in the test."""
    return time.monotonic() * 1e3
