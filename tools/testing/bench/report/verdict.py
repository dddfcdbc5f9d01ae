# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the table: the figures of both drivers held against the goals."""

from dataclasses import dataclass, field
from typing import Any

from .goals import PEER, Goal, Row
from .results import Results
from .units import show

OURS, UPSTREAM = "ours", "upstream"


@dataclass(frozen=True)
class Judged:
    """A goal, and the figure that decided it."""

    goal: Goal
    figure: str
    value: float | None  # of the figure, or its ratio to what it is held against
    met: bool | None  # None: there is nothing to judge
    unit: str

    def text(self) -> str:
        sign = ">=" if self.goal.at_least else "<="
        if self.goal.against is None:
            limit = self.goal.limit
            return "0" if limit == 0 else f"{sign} {show(limit, self.unit)}"
        of = "" if self.goal.against == PEER else f" of {self.goal.against}"
        return f"{sign} {self.goal.limit:g}{of}"


@dataclass
class Entry:
    row: Row
    figure: str = ""  # the one that stands for the row
    unit: str = ""
    ours: float | None = None
    upstream: float | None = None
    judged: list[Judged] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        return quotient(self.ours, self.upstream)

    @property
    def met(self) -> bool:
        return all(judged.met for judged in self.judged)


def quotient(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


def _judge(results: Results, goal: Goal, figure: str) -> Judged:
    value = results.value(OURS, figure)
    if goal.against == PEER:
        value = quotient(value, results.value(UPSTREAM, figure))
    elif goal.against:
        value = quotient(value, results.value(OURS, goal.against))
    met = None
    if value is not None:
        met = value >= goal.limit if goal.at_least else value <= goal.limit
    return Judged(goal, figure, value, met, results.unit(figure))


def _figures(results: Results, goal: Goal) -> list[str]:
    if not goal.figure.endswith("/*"):
        return [goal.figure]
    return results.below(goal.figure.removesuffix("/*"))


def _worst(judged: list[Judged]) -> Judged | None:
    """The one that is furthest from its goal; one without a figure is further than any."""

    def distance(one: Judged) -> float:
        if one.value is None:
            return float("inf")
        return -one.value if one.goal.at_least else one.value

    return max(judged, key=distance, default=None)


def _entry(results: Results, row: Row) -> Entry:
    entry = Entry(row)
    for goal in row.goals:
        if worst := _worst([_judge(results, goal, name) for name in _figures(results, goal)]):
            entry.judged.append(worst)
    # A row that has no figure of its own shows the sub-row that decides it.
    entry.figure = row.name
    if not any(results.has(side, row.name) for side in (OURS, UPSTREAM)) and entry.judged:
        entry.figure = entry.judged[0].figure
    if entry.figure != row.name:
        entry.notes.append(f"the figures are those of {entry.figure}")
    entry.unit = results.unit(entry.figure)
    entry.ours = results.value(OURS, entry.figure)
    entry.upstream = results.value(UPSTREAM, entry.figure)
    if results.hung(results.scenario_of.get(entry.figure, row.scenario), UPSTREAM):
        entry.notes.append("the peer never came back from the step behind this figure")
    return entry


def judge(results: Results, rows: tuple[Row, ...]) -> list[Entry]:
    return [_entry(results, row) for row in rows]


def missing(results: Results, rows: tuple[Row, ...]) -> list[str]:
    """What the table needs and nobody measured."""
    lost = []
    for row in rows:
        for goal in row.goals:
            names = _figures(results, goal) or [goal.figure]
            needs = [(OURS, name) for name in names]
            if goal.against == PEER:
                needs += [(UPSTREAM, name) for name in names]
            elif goal.against:
                needs.append((OURS, goal.against))
            lost += [f"{name} ({side})" for side, name in needs if not results.has(side, name)]
        hung = results.hung(results.scenario_of.get(row.name, row.scenario), UPSTREAM)
        if not (results.has(UPSTREAM, row.name) or results.below(row.name) or hung):
            lost.append(f"{row.name} ({UPSTREAM})")
    return list(dict.fromkeys(lost))


def whole(results: Results, entries: list[Entry]) -> list[Entry]:
    """Those of which nothing is missing."""
    return [entry for entry in entries if not missing(results, (entry.row,))]


def as_json(results: Results, entries: list[Entry]) -> dict[str, Any]:
    return {
        entry.row.name: {
            "ours": entry.ours,
            "upstream": entry.upstream,
            "ratio": entry.ratio,
            "goal": "; ".join(judged.text() for judged in entry.judged),
            "unit": entry.unit,
            "met": entry.met,
            "goals": [
                {
                    "figure": judged.figure,
                    "against": judged.goal.against,
                    "value": judged.value,
                    "limit": judged.goal.limit,
                    "met": judged.met,
                }
                for judged in entry.judged
            ],
            "rows": {
                name: {
                    "ours": results.value(OURS, name),
                    "upstream": results.value(UPSTREAM, name),
                    "unit": results.unit(name),
                }
                for name in results.below(entry.row.name)
            },
            "notes": entry.notes,
        }
        for entry in entries
    }
