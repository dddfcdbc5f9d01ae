# SPDX-License-Identifier: GPL-2.0-only
"""The two ends of the transfer, from their reports (see traffic.c)."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .wait import Failure, TimedOut, until


def l1_address(number: int) -> str:
    """Each NIC of the guest has its own network."""
    return f"10.77.{number}.1"


TCP_PORT = 5577
REPORT_MS = 100

_OTHER = re.compile(r"(eth\d+|engine): ")
_FIELD = re.compile(r"(\w+)=([\d.]+)")


@dataclass(frozen=True)
class Sample:
    ms: float
    rx: int
    tx: int
    acked: int
    rx_gap: float
    ack_gap: float
    retrans: int

    @classmethod
    def parse(cls, line: str) -> "Sample | None":
        values = dict(_FIELD.findall(line))
        try:
            return cls(
                ms=float(values["ms"]), rx=int(values["rx"]), tx=int(values["tx"]),
                acked=int(values["acked"]), rx_gap=float(values["rx_gap"]),
                ack_gap=float(values["ack_gap"]), retrans=int(values["retrans"]),
            )  # fmt: skip
        except (KeyError, ValueError):
            return None


class Report:
    """The reports of one end so far; the guest's end spans all its machines."""

    def __init__(self, who: str, prefix: str = "") -> None:
        self.who = who
        self._prefix = prefix  # of its own lines, where several ends report in one file
        self.samples: list[Sample] = []
        self.lines: list[str] = []
        self.end: Sample | None = None
        self._path: Path | None = None
        self._offset = 0
        self._partial = ""

    def follow(self, path: Path) -> None:
        """Continue in another file; a line may start in the old file and end in the new one."""
        if self._path:
            self.update()
        self._path, self._offset = path, 0

    def update(self) -> None:
        assert self._path
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        text = self._partial + data.decode("ascii", "replace").replace("\r", "")
        *lines, self._partial = text.split("\n")
        for line in lines:
            self._take(line)

    def _take(self, line: str) -> None:
        if _OTHER.match(line) and not line.startswith(self._prefix):
            return
        line = line.removeprefix(self._prefix)
        self.lines.append(line)
        word = line.partition(" ")[0]
        if word == "error":
            raise Failure(f"{self.who}: {line}")
        sample = Sample.parse(line) if word in ("traffic", "end") else None
        if sample:
            self.samples.append(sample)
            if word == "end":
                self.end = sample

    def said(self, word: str) -> bool:
        self.update()
        return any(line.partition(" ")[0] == word for line in self.lines)

    @property
    def last(self) -> Sample:
        if not self.samples:
            raise Failure(f"{self.who}: no report of the transfer")
        return self.samples[-1]


@dataclass(frozen=True)
class Totals:
    """Verified bytes that arrived at either end, and segments sent again."""

    to_l1: int
    to_guest: int
    retrans: int


class Transfer:
    """The transfer between L1 (this side's process) and one NIC of the guest."""

    def __init__(self, number: int, program: Path, work: Path, interface: str,
                 options: list[str]) -> None:  # fmt: skip
        self.l1 = Report(f"L1 ({number})")
        self.guest = Report(f"guest (eth{number})", f"eth{number}: ")
        path = work / f"l1.traffic{number}"
        command = [str(program), "listen", "-i", interface, "-m", str(REPORT_MS), *options,
                   l1_address(number), str(TCP_PORT + number)]  # fmt: skip
        with path.open("wb") as out:
            # pylint: disable-next=consider-using-with
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out)
        self.l1.follow(path)
        until("L1's end to listen", 10, lambda: self.l1.said("listening"))

    def update(self) -> None:
        self.l1.update()
        self.guest.update()
        code = self._process.poll()
        if code and not self.l1.end:
            self.l1.update()
            raise Failure(f"L1's end of the transfer exited with {code}")

    def totals(self) -> Totals:
        """The bytes that both ends have verified so far."""
        self.update()
        guest = self.guest.samples[-1].rx if self.guest.samples else 0
        l1 = self.l1.samples[-1] if self.l1.samples else None
        return Totals(to_l1=l1.rx if l1 else 0, to_guest=guest, retrans=l1.retrans if l1 else 0)

    def wait_progress(self, base: Totals, amount: int, seconds: float) -> Totals:
        """Wait until this many bytes more than base arrived at both ends."""

        def progressed() -> Totals | None:
            now = self.totals()
            enough = now.to_l1 - base.to_l1 >= amount and now.to_guest - base.to_guest >= amount
            return now if enough else None

        try:
            return until(f"{amount} bytes in either direction", seconds, progressed)
        except TimedOut as failure:
            now = self.totals()
            raise Failure(
                f"{failure}: {now.to_l1 - base.to_l1} arrived in L1, "
                f"{now.to_guest - base.to_guest} in the guest"
            ) from failure

    def gaps(self, start: float, end: float) -> tuple[float, float]:
        """The longest silence of (guest->L1, L1->guest) in a period, as L1 sees it."""
        self.l1.update()
        window = [s for s in self.l1.samples if start <= s.ms <= end + REPORT_MS]
        return (
            max((s.rx_gap for s in window), default=0.0),
            max((s.ack_gap for s in window), default=0.0),
        )

    def stop(self) -> None:
        """Let L1 send no more."""
        assert self._process.stdin
        self._process.stdin.write(b"stop\n")
        self._process.stdin.flush()

    def finish(self, seconds: float) -> None:
        """After stop(): wait until both ends have read everything."""

        def ended() -> bool:
            self.update()
            return bool(self.l1.end and self.guest.end)

        until("the orderly end of the transfer", seconds, ended)
        if self._process.wait(10):
            raise Failure(f"L1's end exited with {self._process.returncode}")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
