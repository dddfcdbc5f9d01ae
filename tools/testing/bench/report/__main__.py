# SPDX-License-Identifier: GPL-2.0-only
"""Makes bench.json, bench.rst, bench.svg and the table from the output of the machines."""

import argparse
import json
import sys
from pathlib import Path

from . import chart, noisy, results, text, verdict
from .goals import ROWS


def _about(path: Path) -> dict[str, str]:
    pairs = (line.partition(" ") for line in path.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def main() -> int:
    parser = argparse.ArgumentParser(prog="report")
    parser.add_argument("--partial", action="store_true", help="only show what was measured")
    parser.add_argument("--some", action="store_true", help="rows that were not measured are no error")
    parser.add_argument("--again", action="store_true", help="only list the runs to repeat")
    parser.add_argument("--nic", default="", choices=list(ROWS), help="whose goals, and the files' suffix")
    parser.add_argument("raw", type=Path, help="folder with the output of each machine")
    parser.add_argument("out", type=Path, help="folder for the results")
    args = parser.parse_args()

    runs = results.read(args.raw)
    if args.again:
        print("\n".join(results.again(runs)))
        return 0
    found = results.load(runs)
    rows = ROWS[args.nic]
    entries = verdict.judge(found, rows)
    if args.partial:
        entries = [entry for entry in entries if any(j.value is not None for j in entry.judged)]
    print(text.terminal(found, entries))
    problems = found.unstable + found.broken
    lacking = verdict.missing(found, rows)
    if args.some:
        entries, lacking = verdict.whole(found, entries), []
        unsteady = {problem.split(" ")[0].split("/")[0] for problem in found.unstable}
        entries = [entry for entry in entries if entry.row.name.split("/")[0] not in unsteady]
        print("".join(f"left out: {problem}\n" for problem in found.unstable), end="")
        problems = found.broken
    if not args.partial:
        problems += [f"missing: {name}" for name in lacking]
    # Print them first, so that a later failure cannot hide them.
    for problem in problems:
        print(f"error: {problem}", flush=True)
    if not args.partial:
        about = _about(args.raw / "about")
        spreads = noisy.load(args.raw)
        made = {
            ".json": json.dumps(verdict.as_json(found, entries), indent=1) + "\n",
            ".rst": text.rst(found, entries, spreads, about, [row.name for row in rows]),
            ".svg": chart.draw(entries, about["peer"]),
        }
        name = f"bench-{args.nic}" if args.nic else "bench"
        for kind, content in made.items():
            path = args.out / f"{name}{kind}"
            path.unlink(missing_ok=True)
            # A page or chart is made only of complete runs that agree.
            if not problems or kind == ".json":
                path.write_text(content, encoding="utf-8")
    missed = [entry.row.name for entry in entries if not entry.met]
    print(f"{len(entries) - len(missed)} of {len(entries)} rows meet their goals"
          + (f"; missed: {', '.join(missed)}" if missed else ""))  # fmt: skip
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
