# SPDX-License-Identifier: GPL-2.0-only
"""The timeline of a run, as text.

usage: python3 -m livemig.timeline TIMELINE.json
"""

import json
import sys
from pathlib import Path
from typing import Any

BAR = 30
# QEMU's names of the states -> the names of the uAPI.
STATES = {
    "running": "RUNNING",
    "running-p2p": "RUNNING_P2P",
    "pre-copy": "PRE_COPY",
    "pre-copy-p2p": "PRE_COPY_P2P",
    "stop": "STOP",
    "stop-copy": "STOP_COPY",
    "resuming": "RESUMING",
    "error": "ERROR",
}


def _bar(start: float, end: float, first: float, last: float) -> str:
    scale = BAR / (last - first) if last > first else 0.0
    left = max(0, min(BAR - 1, round((start - first) * scale)))
    right = max(left + 1, min(BAR, round((end - first) * scale)))
    return " " * left + "=" * (right - left) + " " * (BAR - right)


def _rows(migration: dict[str, Any]) -> list[str]:
    states = migration["states"]
    if not states:
        return ["  (no device state was seen)"]
    # The destination waits in RESUMING from before the migration: draw it from the beginning.
    last = max(s["start_ms"] + (s["duration_ms"] or 0) for s in states)
    rows = [f"  {'':11} {'state':13} {'from ms':>9} {'for ms':>9}"]
    for state in states:
        end = state["start_ms"] + state["duration_ms"] if state["duration_ms"] else last
        lasted = f"{state['duration_ms']:9.1f}" if state["duration_ms"] else f"{'...':>9}"
        rows.append(
            f"  {state['side']:11} {STATES.get(state['state'], state['state']):13} "
            f"{state['start_ms']:9.1f} {lasted}  |{_bar(state['start_ms'], end, 0, last)}|"
        )
    return rows


def ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms"


def migration_lines(migration: dict[str, Any]) -> list[str]:
    """One migration: the states of both devices over time, and its cost."""
    during, after = migration["bytes_during"], migration["bytes_after"]
    return [
        f"{migration['name']}   {migration['source']} -> {migration['destination']}   "
        f"{migration['outcome']}",
        "",
        *_rows(migration),
        "",
        f"  device state {migration['device_bytes_saved']} bytes saved, "
        f"{migration['device_bytes_loaded']} loaded;  memory "
        f"{migration['memory_bytes'] / 2**20:.1f} MiB",
        f"  whole migration {ms(migration['total_ms'])};  downtime "
        f"{ms(migration['downtime_ms'])} by QEMU, {ms(migration['stopped_ms'])} stop to run",
        f"  longest silence of the transfer: to L1 {ms(migration['silence_to_l1_ms'])}, "
        f"to the guest {ms(migration['silence_to_guest_ms'])}",
        f"  arrived, to L1 / to the guest: {during.get('to_l1', 0)} / {during.get('to_guest', 0)} "
        f"bytes during, {after.get('to_l1', 0)} / {after.get('to_guest', 0)} right after",
        "",
    ]


def verdict(timeline: dict[str, Any]) -> str:
    """The last line: whether the transfer arrived intact."""
    transfer = timeline["transfer"]
    amounts = f"{transfer['bytes_to_l1']} bytes to L1 and {transfer['bytes_to_guest']} to the guest"
    if not transfer["intact"]:
        return f"driver {timeline['driver']}: FAILED after {amounts}"
    return f"driver {timeline['driver']}: transfer intact, {amounts}, every byte checked"


def render(timeline: dict[str, Any]) -> str:
    lines = [line for one in timeline["migrations"] for line in migration_lines(one)]
    return "\n".join([*lines, verdict(timeline)])


if __name__ == "__main__":
    print(render(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
