# SPDX-License-Identifier: GPL-2.0-only
"""The engine of the guest's ConnectX VF, from the reports of engine.c, which checks its writes."""

import re
from dataclasses import dataclass
from pathlib import Path

from .traffic import Report
from .wait import Failure, until

PASS_SECONDS = 120
_FIELD = re.compile(r"(\w+)=([\d.]+)")
LOST = re.compile(r"error pages=(\d+) ")


@dataclass(frozen=True)
class Pass:
    """One check of every word of every page that found no error."""

    number: int
    before: int  # the engine's count of writes at the beginning of the pass,
    after: int  # and at its end
    written: int  # words written so far

    @classmethod
    def parse(cls, line: str) -> "Pass":
        values = dict(_FIELD.findall(line))
        return cls(*(int(values[name]) for name in ("number", "before", "after", "written")))


class Engine:
    def __init__(self) -> None:
        self.report = Report("the guest's engine", "engine: ")

    def follow(self, path: Path) -> None:
        self.report.follow(path)

    def is_up(self) -> bool:
        return self.report.said("up")

    def last(self) -> Pass | None:
        self.report.update()
        lines = [line for line in self.report.lines if line.startswith("pass ")]
        return Pass.parse(lines[-1]) if lines else None

    def wait_pass(self, more: int) -> Pass:
        """Wait for this many more passes without an error."""
        last = self.last()
        number = (last.number if last else 0) + more

        def passed() -> Pass | None:
            now = self.last()
            return now if now and now.number >= number else None

        return until(f"pass {number} of the guest over its pages", PASS_SECONDS, passed)

    def wait_written(self, since: Pass) -> Pass:
        """Wait for a pass without an error over words that the engine wrote after that one. A quick
        guest ends a pass before the engine writes again, so this may not be the next one."""

        def written() -> Pass | None:
            now = self.last()
            return now if now and now.before > since.after else None

        return until(f"the engine to write more than {since.after} times", PASS_SECONDS, written)

    def wait_lost(self) -> str:
        """Wait for a report of wrong pages."""

        def said() -> str | None:
            try:
                self.report.update()
            except Failure as failure:
                return str(failure)
            return None

        return until("the guest to find a wrong page", PASS_SECONDS, said)
