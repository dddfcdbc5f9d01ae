# SPDX-License-Identifier: GPL-2.0-only
"""The table: on the terminal, and as reStructuredText."""

from .goals import PEER
from .noisy import Spread
from .results import Results
from .units import show, show_ratio
from .verdict import OURS, UPSTREAM, Entry, Judged, quotient

HEAD = ["", "ours", "peer", "ratio", "goal", ""]
VERDICT = {True: "met", False: "missed", None: "not judged"}


def _line(results: Results, label: str, figure: str, judged: Judged | None) -> list[str]:
    """A figure of both drivers, and whether it meets a goal."""
    unit = results.unit(figure)
    ours, peer = (results.value(side, figure) for side in (OURS, UPSTREAM))
    own = judged and judged.goal.against not in (None, PEER)
    ratio = judged.value if judged and own else quotient(ours, peer)
    return [
        label, show(ours, unit), show(peer, unit), show_ratio(ratio),
        judged.text() if judged else "", VERDICT[judged.met] if judged else "",
    ]  # fmt: skip


def lines(results: Results, entries: list[Entry]) -> list[list[str]]:
    """A line for each row, and for each further goal of a row."""
    table = []
    for entry in entries:
        more = list(entry.judged)
        own = more.pop(0) if more and more[0].figure == entry.figure else None
        table.append(_line(results, entry.row.name, entry.figure, own))
        table += [_line(results, f"  {judged.figure}", judged.figure, judged) for judged in more]
    return table


def _widths(table: list[list[str]]) -> list[int]:
    return [max(len(line[n]) for line in table) for n in range(len(table[0]))]


def _padded(line: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def terminal(results: Results, entries: list[Entry]) -> str:
    table = [HEAD, *lines(results, entries)]
    widths = _widths(table)
    text = [_padded(line, widths) for line in table]
    text += [f"run until two runs agreed: {what} runs" for what in results.repeated]
    text += [f"{entry.row.name}: {note}" for entry in entries for note in entry.notes]
    return "\n".join(text)


def _rst_table(table: list[list[str]]) -> list[str]:
    # In RST, a row with an empty first cell continues the row above.
    table = [[line[0].strip() or "\\ ", *line[1:]] for line in table]
    widths = _widths(table)
    rule = "  ".join("=" * max(width, 2) for width in widths)
    return [rule, _padded(table[0], widths), rule,
            *(_padded(line, widths) for line in table[1:]), rule]  # fmt: skip


def rst(results: Results, entries: list[Entry], spreads: list[Spread], about: dict[str, str],
        rows: list[str]) -> str:  # fmt: skip
    text = [
        f"Made by ``{about['command']}`` on {about['date']} at {about['commit']}: ours is",
        f"``{about['ours']}``, the peer ``{about['peer']}``, in Linux {about['kernel']} on",
        f"{about['qemu']}; on {about['machine']}, {about['host']}.",
        "",
        *_rst_table([HEAD, *lines(results, entries)]),
        "",
    ]
    text += [f"- ``{entry.row.name}``: " + "; ".join([entry.row.what, *entry.notes]) + "."
             for entry in entries]  # fmt: skip
    if lacking := [f"``{row}``" for row in rows if row not in {entry.row.name for entry in entries}]:
        text += ["", f"Not measured, or not twice the same: {', '.join(lacking)}."]
    if results.repeated:
        text += ["", "Run more than twice, until two runs agreed:", ""]
        text += [f"- {what} runs" for what in results.repeated]
    if spreads:
        text += [
            "", "Ten migrations of a guest in a row, on the ordinary clock of the same machine:", "",
            *_rst_table([
                ["milliseconds", "ours: median", "from-to", "peer: median", "from-to"],
                *([spread.what, *spread.cells(OURS), *spread.cells(UPSTREAM)] for spread in spreads),
            ]),
        ]  # fmt: skip
    return "\n".join([*text, ""])
