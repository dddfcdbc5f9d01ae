#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""layers.py SOURCES OBJECTS: no file of the core includes or calls a file of a layer above its own.

SOURCES is the folder of the core, OBJECTS where its objects are.  Prints each violation, one a line,
and then fails.
"""

import re
import subprocess
import sys
from pathlib import Path

# From the lowest to the highest; the files of a layer may use each other, and all below.
LAYERS = (
    ("firmware", "trace"),
    ("buffer",),
    ("load", "save"),
    ("stream",),
    ("migration",),
    ("device",),  # the door of VFIO and PCI
)
# Every layer may use these; they use no other file of the core.
PURE = ("arcs", "compat", "format", "ranges")
# Beside the layers: the files that each uses, apart from layer 1, and the files that use it.
BESIDE = {"dirty": (("compat", "ranges"), ("device",))}

LAYER_OF = {name: number for number, names in enumerate(LAYERS, 1) for name in names}
KNOWN = {*LAYER_OF, *PURE, *BESIDE}


def where(name):
    if name in LAYER_OF:
        return f"layer {LAYER_OF[name]}"
    return "pure" if name in PURE else "beside the layers"


def may_use(user, used):
    if user == used:
        return True
    if user in PURE:
        return False
    if user in BESIDE:
        return LAYER_OF.get(used) == 1 or used in BESIDE[user][0]
    if used in BESIDE:
        return user in BESIDE[used][1]
    return used in PURE or LAYER_OF[used] <= LAYER_OF[user]


def included(files):
    """(file, its name, what it includes, how that is said)"""
    for file in files:
        for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read_text("utf-8"), re.M):
            yield file.name, file.stem, Path(header).stem, header


def symbols(path, *options):
    out = subprocess.run(["nm", "-P", *options, path], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in out.stdout.splitlines()]


def called(objects):
    """The same of the symbols that an object takes from another."""
    home = {symbol: path for path in objects for symbol in symbols(path, "-g", "--defined-only")}
    for path in objects:
        for symbol in symbols(path, "-u"):
            if symbol in home:
                other = home[symbol]
                yield f"{path.stem}.c", path.stem, other.stem, f"{other.stem}.c ({symbol})"


def check(sources, objects):
    files = sorted(path for path in sources.iterdir() if re.search(r"(?<!\.mod)\.[ch]$", path.name))
    names = {file.stem for file in files}
    compiled = [objects / f"{file.stem}.o" for file in files if file.suffix == ".c"]
    for file in files:
        if file.stem not in KNOWN:
            yield f"{file.name}: say in which layer it is, in tools/testing/layers.py"
    for name in sorted(KNOWN - names):
        yield f"{name}: no such file, but tools/testing/layers.py lists it"
    for path in compiled:
        if not path.exists():
            yield f"{path.name}: was not built"
    uses = [*included(files), *called([path for path in compiled if path.exists()])]
    for file, user, used, said in uses:
        if {user, used} <= KNOWN and not may_use(user, used):
            yield f"{file} ({where(user)}) -> {said} ({where(used)})"


def main():
    violations = list(check(Path(sys.argv[1]), Path(sys.argv[2])))
    for line in violations:
        print(line)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
