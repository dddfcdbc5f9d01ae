# SPDX-License-Identifier: GPL-2.0-only
"""The table of downtimes, as a page of the documentation.

usage: python3 -m livemig.downtime TIMELINE.json...
"""

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """.. SPDX-License-Identifier: GPL-2.0-only
.. Written by tools/testing/migration/downtime.sh: do not edit.

=========================================
Downtime with and without dirty tracking
=========================================

A guest has a VF of the emulated ConnectX (``mlx5_snapshot_vfio_pci``), whose engine writes to memory all the
time. The distribution's QEMU migrates the guest to another VF. Without dirty tracking by the device, QEMU
treats all guest memory as dirty and sends it again while the guest is stopped. With it, QEMU sends only dirty
pages. A zero page takes a few bytes; most pages of the guest with 1 GiB are zero.

The host is an emulated machine with a debug kernel: compare the rows, do not rely on the times.

"""
COLUMNS = (
    "Memory, MiB", "Dirty tracking", "Downtime by QEMU, ms", "Guest stopped, ms",
    "Memory sent while stopped, KiB", "Whole migration, ms",
)  # fmt: skip


def _row(timeline: dict[str, Any]) -> tuple[str, ...]:
    migration = timeline["migrations"][0]
    return (
        str(timeline["memory_mib"]),
        "by the device" if migration["tracked"] else "none",
        f"{migration['downtime_ms']:.0f}",
        f"{migration['stopped_ms']:.0f}",
        f"{migration['memory_bytes_stopped'] / 1024:.0f}",
        f"{migration['total_ms']:.0f}",
    )


def page(timelines: list[dict[str, Any]]) -> str:
    timelines = sorted(timelines, key=lambda t: (t["memory_mib"], t["migrations"][0]["tracked"]))
    rows = [COLUMNS, *(_row(timeline) for timeline in timelines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return HEAD + "\n".join([rule, lines[0], rule, *lines[1:], rule])


if __name__ == "__main__":
    print(page([json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]))
