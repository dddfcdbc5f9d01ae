# SPDX-License-Identifier: GPL-2.0-only
"""How results are shown: TAP for the tests, plain progress for the demo."""

from collections.abc import Iterable

from .migrate import Record
from .timeline import migration_lines
from .wait import Failure


class Output:
    """Reports the checks in the planned order; a failed check ends the run."""

    def __init__(self, plan: list[str]) -> None:
        self.plan = plan
        self.done = 0

    def check(self, name: str, good: bool, detail: str) -> None:
        if self.done >= len(self.plan) or self.plan[self.done] != name:
            raise AssertionError(f"not the planned check: {name}")
        self.result(name, good, detail)
        self.done += 1
        if not good:
            raise Failure(f"{name}: {detail}")

    def complete(self) -> bool:
        return self.done == len(self.plan)

    def result(self, name: str, good: bool, detail: str) -> None:
        raise NotImplementedError

    def note(self, text: str) -> None:
        raise NotImplementedError

    def migrated(self, record: Record) -> None:
        """A migration and the checks after it are done."""

    def broken(self, why: str, evidence: Iterable[str]) -> None:
        raise NotImplementedError


class Tap(Output):
    def __init__(self, plan: list[str]) -> None:
        super().__init__(plan)
        self._failed = False
        self._print("TAP version 13")
        self._print(f"1..{len(plan)}")

    @staticmethod
    def _print(line: str) -> None:
        print(line, flush=True)

    def result(self, name: str, good: bool, detail: str) -> None:
        if detail:
            self.note(detail)
        self._failed = not good
        self._print(f"{'ok' if good else 'not ok'} {self.done + 1} {name}")

    def note(self, text: str) -> None:
        for line in text.splitlines():
            self._print(f"# {line}")

    def broken(self, why: str, evidence: Iterable[str]) -> None:
        if not self._failed and not self.complete():
            self.note(why)
            self._print(f"not ok {self.done + 1} {self.plan[self.done]}")
        for line in evidence:
            self.note(line)
        self._print(f"Bail out! {why.splitlines()[0]}")


class Demo(Output):
    @staticmethod
    def _print(line: str) -> None:
        print(f"  {line}", flush=True)

    def result(self, name: str, good: bool, detail: str) -> None:
        self._print(f"{'done  ' if good else 'FAILED'} {name}")
        if not good:
            self.note(detail)

    def note(self, text: str) -> None:
        for line in text.splitlines():
            self._print(f"...    {line}")

    def migrated(self, record: Record) -> None:
        print("\n" + "\n".join(migration_lines(record.as_json())), flush=True)

    def broken(self, why: str, evidence: Iterable[str]) -> None:
        self._print(f"FAILED {why}")
        for line in evidence:
            self._print(f"     | {line}")
