# SPDX-License-Identifier: GPL-2.0-only
"""Reads what the runs printed, and finds runs that agree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

SIDES = ("ours", "upstream")
RUNS = 2  # that must agree
MOST_RUNS = 4  # before the bench gives up
# By how much two runs may differ in these units; all other figures must be equal.
MAY_DIFFER = {"ns": 0.01, "instructions": 0.01}
HUNG = "hung"
END = "the end"  # how a run ended, beside its figures

_LINE = re.compile(r"^bench (\S+) (\S+) (\S+)$")
_END = re.compile(r"^# end (\S+)$")


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str


Figures = dict[str, Figure]


@dataclass
class Run:
    """One scenario of one driver in one boot."""

    figures: Figures = field(default_factory=dict)
    end: str = "cut off"


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def parse(text: str) -> Run:
    run = Run()
    for line in text.splitlines():
        if match := _LINE.match(line):
            name, value, unit = match.groups()
            # The last one counts: a scenario may print a figure again when it grows.
            run.figures[name] = Figure(_number(value), unit)
        elif match := _END.match(line):
            run.end = match[1]
    return run


def difference(one: Figure, other: Figure) -> float:
    """The difference relative to the smaller one."""
    if one == other:
        return 0
    if one.unit != other.unit or not one.value or not other.value:
        return float("inf")
    low, high = sorted((abs(one.value), abs(other.value)))
    return high / low - 1


def compare(first: Run, second: Run, name: str) -> str:
    """How two runs differ in a figure; empty if they agree."""
    if name == END:
        return "" if first.end == second.end else f"{first.end} and {second.end}"
    one, other = first.figures.get(name), second.figures.get(name)
    if not one or not other:
        return "in one of two runs only"
    apart = difference(one, other)
    if apart <= MAY_DIFFER.get(one.unit, 0):
        return ""
    by = f"{100 * apart:.1f} % apart" if apart < float("inf") else "not the same"
    return f"{one.value} {one.unit} and {other.value} {other.unit}, {by}"


def settle(runs: list[Run], name: str) -> tuple[Run, str]:
    """The first run that agrees with another one in a figure. If none does: a run, and why not."""
    why = ""
    for one, other in combinations(runs, RUNS):
        differs = compare(one, other, name)
        if not differs:
            return one, ""
        why = why or differs
    return runs[0], why


def names(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys([*(name for run in runs for name in run.figures), END]))


@dataclass
class Results:
    """The figures of all scenarios, for each side, each from the first run that agrees with another."""

    figures: dict[str, Figures] = field(default_factory=lambda: {side: {} for side in SIDES})
    scenario_of: dict[str, str] = field(default_factory=dict)  # of a figure
    ends: dict[tuple[str, str], str] = field(default_factory=dict)  # (scenario, side)
    unstable: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)  # scenarios with more than two runs

    def value(self, side: str, name: str) -> float | None:
        figure = self.figures[side].get(name)
        return figure.value if figure else None

    def has(self, side: str, name: str) -> bool:
        return name in self.figures[side]

    def unit(self, name: str) -> str:
        for side in SIDES:
            if name in self.figures[side]:
                return self.figures[side][name].unit
        return ""

    def hung(self, scenario: str, side: str) -> bool:
        return self.ends.get((scenario, side)) == HUNG

    def below(self, name: str) -> list[str]:
        """The sub-rows that either side has."""
        names = [n for side in SIDES for n in self.figures[side] if n.startswith(f"{name}/")]
        return list(dict.fromkeys(names))

    def _take(self, scenario: str, side: str, runs: list[Run]) -> None:
        if len(runs) < RUNS:
            self.broken.append(f"{scenario} ({side}): {len(runs)} of {RUNS} runs")
        if not runs:
            return
        for name in names(runs):
            run, why = settle(runs, name)
            if why:
                self.unstable.append(f"{name} ({side}): {why}")
            if name == END:
                end = self.ends[scenario, side] = run.end
                continue
            if self.scenario_of.setdefault(name, scenario) != scenario:
                self.broken.append(f"{name}: printed by {self.scenario_of[name]} and {scenario}")
            if name in run.figures:
                self.figures[side][name] = run.figures[name]
        # The other driver may hang, which is a result; ours may not.
        if end not in ("0", HUNG) or (side == "ours" and end == HUNG):
            self.broken.append(f"{scenario} ({side}): ended with {end}")


Runs = dict[tuple[str, str], list[Run]]  # by scenario and side


def read(raw: Path) -> Runs:
    """Reads files named SCENARIO.SIDE.RUN."""
    runs: Runs = {}
    for path in sorted(raw.glob("*.*.[0-9]")):
        scenario, side, _ = path.name.split(".")
        if side in SIDES:
            runs.setdefault((scenario, side), []).append(parse(path.read_text(errors="replace")))
    return runs


def again(runs: Runs) -> list[str]:
    """The runs to repeat: SCENARIO SIDE RUN."""
    return [
        f"{scenario} {side} {len(all_of) + 1}"
        for (scenario, side), all_of in runs.items()
        if RUNS <= len(all_of) < MOST_RUNS
        and any(settle(all_of, name)[1] for name in names(all_of))
    ]  # fmt: skip


def load(runs: Runs) -> Results:
    """Takes each figure from two runs that agree in it, for each scenario and side."""
    results = Results()
    for scenario in sorted({scenario for scenario, _ in runs}):
        for side in SIDES:
            all_of = runs.get((scenario, side), [])
            if len(all_of) > RUNS:
                results.repeated.append(f"{scenario} ({side}): {len(all_of)}")
            results._take(scenario, side, all_of)
    return results
