#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""generate.py DUMP FOLDER: write the pages that are drawn from the source into FOLDER.

DUMP is the program made from dump.c.
"""
import math
import pathlib
import subprocess
import sys

NOTE = "Made by tools/docs/generate.sh from the driver's source: do not edit."

# Where each state is in the picture: those that run on top, those that stand at the bottom.
PLACES = {
    "PRE_COPY": (120, 60), "RUNNING": (430, 60), "ERROR": (740, 60),
    "PRE_COPY_P2P": (250, 190), "RUNNING_P2P": (570, 190),
    "STOP_COPY": (120, 320), "STOP": (430, 320), "RESUMING": (740, 320),
}
BOX = (156, 40)
COLOURS = {"-": "#1b5e20", "P2P": "#0d47a1", "PRE_COPY": "#b71c1c", "P2P+PRE_COPY": "#6a1b9a"}


def lines(dump, what):
    """What the program prints, as lists of words."""
    out = subprocess.run([dump, what], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in out.splitlines()]


def table(header, rows):
    """A list-table."""
    text = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header] + rows:
        for i, cell in enumerate(row):
            text.append(f"   {'*' if i == 0 else ' '} - {cell}".rstrip())
    return "\n".join(text) + "\n"


def arcs_page(arcs, walks):
    """The table of arcs, and that of first steps."""
    rows = [["" if cell == "-" else cell for cell in arc] for arc in arcs]
    states = list(dict.fromkeys(walk[0] for walk in walks))
    first = {(a, b): step for a, b, step in walks}
    steps = [[f"**{a}**"] + ["" if first[a, b] == "-" else first[a, b] for b in states]
             for a in states]
    return "\n".join([
        ".. SPDX-License-Identifier: GPL-2.0-only", f".. {NOTE}", "",
        table(["From", "To", "Needs", "Unless", "Level", "Stream", "Failed"], rows),
        "The first step from each state (rows) to each other (columns), for a device with all",
        "features. ``=``: none is needed; empty: there is no way.", "",
        table([""] + states, steps)])


def leave(shift, way):
    """How far a line that starts beside a box's middle, by shift, goes until it is out of the box."""
    return min((side / 2 - s * math.copysign(1, w)) / abs(w)
               for side, s, w in zip(BOX, shift, way) if abs(w) > 1e-6)


def edge(start, end):
    """The line between two boxes, a little to the right of their middles: there is one back."""
    (x1, y1), (x2, y2) = PLACES[start], PLACES[end]
    length = math.hypot(x2 - x1, y2 - y1)
    way = ((x2 - x1) / length, (y2 - y1) / length)
    shift = (-way[1] * 8, way[0] * 8)
    out, into = leave(shift, way), leave(shift, (-way[0], -way[1]))
    return (x1 + shift[0] + way[0] * out, y1 + shift[1] + way[1] * out,
            x2 + shift[0] - way[0] * into, y2 + shift[1] - way[1] * into)


def arcs_picture(arcs):
    """The arcs as SVG."""
    text = [
        "<!-- SPDX-License-Identifier: GPL-2.0-only -->", f"<!-- {NOTE} -->",
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 440" font-family="sans-serif"'
        ' font-size="14">',
        '<rect width="860" height="440" fill="white"/>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>']
    for start, end, with_, without, *_ in arcs:
        x1, y1, x2, y2 = edge(start, end)
        dash = ' stroke-dasharray="6 4"' if without != "-" else ""
        text.append(f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke='
                    f'"{COLOURS[with_]}" stroke-width="1.6"{dash} marker-end="url(#tip)"/>')
    for name, (x, y) in PLACES.items():
        text.append(f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" '
                    f'height="{BOX[1]}" rx="6" fill="#f5f5f5" stroke="black"/>')
        text.append(f'<text x="{x}" y="{y + 5}" text-anchor="middle">{name}</text>')
    for i, (name, colour) in enumerate(COLOURS.items()):
        label = "every device" if name == "-" else "needs " + name.replace("+", " and ")
        x, y = 40 + i * 190, 390
        text.append(f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" stroke="{colour}" '
                    f'stroke-width="2"/><text x="{x + 32}" y="{y + 5}">{label}</text>')
    text.append('<line x1="40" y1="418" x2="66" y2="418" stroke="black" stroke-dasharray="6 4"/>'
                '<text x="72" y="423">only of a device without P2P</text>')
    return "\n".join(text + ["</svg>"]) + "\n"


def stream_page(records):
    """An example of a stream, 16 bytes a line."""
    text = [".. SPDX-License-Identifier: GPL-2.0-only", f".. {NOTE}", "", "::", ""]
    for tag, part, at, *octets in records:
        for i in range(0, len(octets), 16):
            row = octets[i:i + 16]
            shown = "".join(chr(int(o, 16)) if 32 <= int(o, 16) < 127 else "." for o in row)
            label = f"{tag}, {part}" if i == 0 else ""
            text.append(f"    {int(at) + i:04x}  {' '.join(row):47}  {shown:16}  {label}".rstrip())
    return "\n".join(text) + "\n"


def main():
    """Write them all."""
    dump, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    arcs = lines(dump, "arcs")
    (folder / "arcs-table.inc").write_text(arcs_page(arcs, lines(dump, "walks")))
    (folder / "arcs.svg").write_text(arcs_picture(arcs))
    (folder / "stream-example.inc").write_text(stream_page(lines(dump, "stream")))


main()
