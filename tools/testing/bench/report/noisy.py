# SPDX-License-Identifier: GPL-2.0-only
"""The migrations of a whole guest: their figures vary, so they have no goals."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .results import SIDES

FIELDS = {
    "downtime_ms": "downtime, as QEMU reports it",
    "stopped_ms": "guest stopped",
    "silence_to_l1_ms": "longest silence of the guest",
    "silence_to_guest_ms": "longest silence towards the guest",
    "total_ms": "whole migration",
}


@dataclass
class Spread:
    """One figure over all migrations, for each side."""

    name: str
    what: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def cells(self, side: str) -> list[str]:
        values = self.values.get(side)
        if not values:
            return ["-", "-"]
        return [f"{median(values):.0f}", f"{min(values):.0f}-{max(values):.0f}"]


def load(raw: Path) -> list[Spread]:
    """Reads the timelines of the migration test."""
    spreads = [Spread(name, what) for name, what in FIELDS.items()]
    for side in SIDES:
        path = raw / f"noisy.{side}.json"
        if not path.exists():
            continue
        for migration in json.loads(path.read_text())["migrations"]:
            for spread in spreads:
                if migration[spread.name] is not None:
                    spread.values.setdefault(side, []).append(migration[spread.name])
    return [spread for spread in spreads if spread.values]
