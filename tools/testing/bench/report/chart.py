# SPDX-License-Identifier: GPL-2.0-only
"""The chart: our figure of each row relative to the other driver's."""

from html import escape

from .goals import PEER
from .units import show
from .verdict import Entry

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 200, 200, 50, 34
STEP, BAR = 34, 16
AS_FAST = 1.02  # runs differ by this much
FULL = 1.25  # end of the axis; longer bars are cut, the figures beside them are not

# The chart has its own background, because the page around it may be light or dark.
STYLE = """
  .page { fill: #ffffff }
  text { font: 13px sans-serif; fill: #24292f }
  .quiet { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de } .peer { stroke: #57606a; stroke-width: 2 }
  .ours { fill: #2a78c2 } .slower { fill: #c2562a } .goal { stroke: #24292f; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .grid { stroke: #3d444d } .peer { stroke: #9198a1 }
    .ours { fill: #4c9be8 } .slower { fill: #e87d4c } .goal { stroke: #e6edf3 }
  }
"""


def _x(part: float) -> float:
    return round(LEFT + min(part, FULL) / FULL * (WIDTH - LEFT - RIGHT), 1)


def _goal(entry: Entry) -> float | None:
    for judged in entry.judged:
        if judged.goal.against == PEER:
            return judged.goal.limit
        if judged.goal.against is None and judged.figure == entry.row.name and entry.upstream:
            return judged.goal.limit / entry.upstream
    return None


def _bar(entry: Entry, ratio: float, y: int) -> list[str]:
    kind = "ours" if ratio <= AS_FAST else "slower"
    mid = y + BAR / 2
    values = f"{show(entry.ours, entry.unit)} / {show(entry.upstream, entry.unit)}"
    parts = [
        f'<text x="{LEFT - 10}" y="{mid + 4}" text-anchor="end">{escape(entry.row.name)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(_x(ratio) - LEFT, 1):.1f}" '
        f'height="{BAR}" rx="2"><title>{escape(entry.row.what)}</title></rect>',
        f'<text class="quiet" x="{WIDTH - RIGHT + 12}" y="{mid + 4}">{escape(values)}</text>',
    ]
    goal = _goal(entry)
    if goal is not None and goal <= FULL:
        parts.append(
            f'<line class="goal" x1="{_x(goal)}" x2="{_x(goal)}" y1="{y - 4}" y2="{y + BAR + 4}"/>'
        )
    return parts


def draw(entries: list[Entry], peer: str) -> str:
    """Rows where less is better and both drivers have a figure."""
    rows = [
        (entry, entry.ratio)
        for entry in entries
        if entry.ratio is not None and not any(judged.goal.at_least for judged in entry.judged)
    ]
    bottom = TOP + len(rows) * STEP
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" '
        f'width="{WIDTH}" height="{bottom + BOTTOM}" role="img">',
        "<!-- SPDX-License-Identifier: GPL-2.0-only; made by make bench -->",
        f"<title>Our figures relative to {escape(peer)}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        f'<text x="{LEFT}" y="22">ours relative to {escape(peer)}: shorter is better</text>',
        f'<text class="quiet" x="{WIDTH - RIGHT + 12}" y="22">ours / {escape(peer)}</text>',
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1, FULL):
        x, kind = _x(tick), "peer" if tick == 1 else "grid"
        svg.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP - 14}" y2="{bottom}"/>')
        svg.append(f'<text class="quiet" x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    for number, (entry, ratio) in enumerate(rows):
        svg += _bar(entry, ratio, TOP + number * STEP)
    svg.append(
        f'<text class="quiet" x="{LEFT - 10}" y="{bottom + 16}" text-anchor="end">'
        "upright stroke: the goal</text>"
    )
    return "\n".join([*svg, "</svg>", ""])
