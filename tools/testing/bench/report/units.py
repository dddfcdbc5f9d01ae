# SPDX-License-Identifier: GPL-2.0-only
"""Formats figures for people."""

SCALES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")),
    "bytes": ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes")),
    "instructions": ((1e6, "M"), (1e3, "k"), (1, "")),
}


def show(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    for scale, name in SCALES.get(unit, ()):
        if abs(value) >= scale:
            return f"{value / scale:.4g} {name}".rstrip()
    return f"{value:g}"


def show_ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.0f}"
