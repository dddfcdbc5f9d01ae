#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""generate.py DUMP FOLDER: write the pages that are drawn from the source into FOLDER.

DUMP is the program compiled from dump.c.
"""
import math
import pathlib
import subprocess
import sys

NOTE = "Made by tools/docs/generate.sh from the driver's source: do not edit."

# The pages use the names of the uAPI, whichever arcs.c uses.
UAPI = {"PRECOPY": "PRE_COPY", "PRECOPY_NDMA": "PRE_COPY_P2P", "RESUMING_NDMA": "RUNNING_P2P"}
# Where each state is drawn: running states at the top, stopped ones at the bottom.
PLACES = {
    "PRE_COPY": (120, 60), "RUNNING": (430, 60), "ERROR": (740, 60),
    "PRE_COPY_P2P": (250, 190), "RUNNING_P2P": (570, 190),
    "STOP_COPY": (120, 320), "STOP": (430, 320), "RESUMING": (740, 320),
}
BOX = (156, 40)
COLOURS = {"-": "#1b5e20", "P2P": "#0d47a1", "PRE_COPY": "#b71c1c", "P2P+PRE_COPY": "#6a1b9a"}


def lines(dump, what):
    """The lines that the program prints, each as a list of words."""
    out = subprocess.run([dump, what], check=True, capture_output=True, text=True).stdout
    return [[UAPI.get(word, word) for word in line.split()] for line in out.splitlines()]


def table(header, rows):
    """A list-table."""
    text = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header] + rows:
        for i, cell in enumerate(row):
            text.append(f"   {'*' if i == 0 else ' '} - {cell}".rstrip())
    return "\n".join(text) + "\n"


def arcs_page(arcs, walks):
    """The table of arcs and the table of first steps."""
    rows = [["" if cell == "-" else cell for cell in arc] for arc in arcs]
    states = list(dict.fromkeys(walk[0] for walk in walks))
    first = {(a, b): step for a, b, step in walks}
    steps = [[f"**{a}**"] + ["" if first[a, b] == "-" else first[a, b] for b in states]
             for a in states]
    return "\n".join([
        ".. SPDX-License-Identifier: GPL-2.0-only", f".. {NOTE}", "",
        table(["From", "To", "Needs", "Unless", "Level", "Stream", "Failed"], rows),
        "The first step from each state (rows) to each other state (columns), for a device with all",
        "features. ``=``: no step is needed; empty: the state cannot be reached.", "",
        table([""] + states, steps)])


def leave(shift, way):
    """Distance along way from the shifted middle of a box to its edge."""
    return min((side / 2 - s * math.copysign(1, w)) / abs(w)
               for side, s, w in zip(BOX, shift, way) if abs(w) > 1e-6)


def edge(start, end):
    """A line between two boxes, right of their middles, so that the reverse line fits beside it."""
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
                '<text x="72" y="423">devices without P2P only</text>')
    return "\n".join(text + ["</svg>"]) + "\n"


def stream_page(records):
    """The example stream, 16 bytes on a line."""
    text = [".. SPDX-License-Identifier: GPL-2.0-only", f".. {NOTE}", "", "::", ""]
    for tag, part, at, *octets in records:
        for i in range(0, len(octets), 16):
            row = octets[i:i + 16]
            shown = "".join(chr(int(o, 16)) if 32 <= int(o, 16) < 127 else "." for o in row)
            label = f"{tag}, {part}" if i == 0 else ""
            text.append(f"    {int(at) + i:04x}  {' '.join(row):47}  {shown:16}  {label}".rstrip())
    return "\n".join(text) + "\n"


def main():
    """Write all pages."""
    dump, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    arcs = lines(dump, "arcs")
    (folder / "arcs-table.inc").write_text(arcs_page(arcs, lines(dump, "walks")))
    (folder / "arcs.svg").write_text(arcs_picture(arcs))
    (folder / "stream-example.inc").write_text(stream_page(lines(dump, "stream")))


main()
