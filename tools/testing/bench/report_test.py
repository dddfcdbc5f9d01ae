# SPDX-License-Identifier: GPL-2.0-only
"""The table of the bench from made-up figures, as TAP: python3 report_test.py."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from report import goals

ROWS = goals.ROWS[""]

# figure | ours | upstream | unit: all goals are met.
GOOD = """
blackout_commands 4 8 commands
blackout_1ms 4100000 8300000 ns
to_stop_copy_64m 14000000 16000000 ns
to_stop_copy_64m/pages 0 16384 pages
direct_stop_copy_64m 20000000 40000000 ns
to_running_64m 30000 13200000 ns
write_64m 20000000 160000000 ns
write_64m/bound 19000000 19100000 ns
read_64m 20000000 26000000 ns
read_64m/bound 19000000 19100000 ns
small_arcs/A-B 1000 1100 ns
small_arcs/B-C 2010 2000 ns
memory_save 24576 65536 bytes
memory_resume 24576 65536 bytes
memory_save_small 12288 16384 bytes
memory_resume_small 8192 8192 bytes
size_max 1073741824 8388608 bytes
parallel_16 5000000 9000000 ns
parallel_16/alone 4500000 8500000 ns
precopy_idle/commands 0 20 per_s
precopy_idle/false_ends 0 3 answers
precopy_idle/false_more 0 0 answers
precopy_idle/bytes 0 4310 bytes
instructions 300000 850000 instructions
"""
# Figures of the ConnectX that replace those of the same name, or are new
GOOD_MLX5 = """
blackout_commands 6 9 commands
blackout_commands/beside_state 4 7 commands
blackout_1ms 5500000 8300000 ns
changed_commands 21 24 commands
changed_commands/beside_state 4 7 commands
changed_64m 40000000 57000000 ns
changed_1ms 47000000 73000000 ns
memory_save/peak 17039360 25427968 bytes
memory_resume/peak 17039360 8650752 bytes
memory_save_1g 17039360 17039360 bytes
memory_resume_1g 17039360 8650752 bytes
"""
ABOUT = {
    "machine": "a processor", "host": "Linux 1", "kernel": "2", "qemu": "QEMU 3", "commit": "4",
    "date": "2026-01-01", "command": "make bench", "ours": "our_driver", "peer": "other_driver",
}  # fmt: skip

Files = dict[str, list[str]]  # what a machine printed, by SCENARIO.SIDE.RUN


@dataclass
class Outcome:
    status: int
    said: str
    made: dict[str, str]

    def json(self, nic: str = "") -> dict[str, Any]:
        rows: dict[str, Any] = json.loads(self.made[f"bench{nic and '-'}{nic}.json"])
        return rows


def good(nic: str = "") -> Files:
    files: Files = {}
    text = GOOD + (GOOD_MLX5 if nic == "mlx5" else "")
    figures = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    for name, (ours, upstream, unit) in figures.items():
        scenario = next((row.scenario for row in goals.ROWS[nic]
                         if name.partition("/")[0] == row.name.partition("/")[0]), None)  # fmt: skip
        if not scenario:
            raise KeyError(f"{name} is in no row")
        for side, value in (("ours", ours), ("upstream", upstream)):
            for run in "12":
                lines = files.setdefault(f"{scenario}.{side}.{run}", ["# somebody says something"])
                lines.append(f"bench {name} {value} {unit}")
    return {name: [*lines, "# end 0"] for name, lines in files.items()}


def set_to(files: Files, figure: str, value: str, side: str = "ours", runs: str = "12") -> None:
    """Sets the figure's value, or removes its line if the value is empty."""
    for name, lines in files.items():
        if name.split(".")[1:] not in [[side, run] for run in runs]:
            continue
        for n, line in enumerate(lines):
            words = line.split()
            if words[:2] == ["bench", figure]:
                lines[n] = f"bench {figure} {value} {words[3]}" if value else "# nothing"


def ends(files: Files, scenario: str, side: str, how: str) -> None:
    for run in "12":
        files[f"{scenario}.{side}.{run}"][-1] = f"# end {how}"


def report(files: Files, *options: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "out"
        raw.mkdir()
        out.mkdir()
        for name, lines in files.items():
            (raw / name).write_text("\n".join(lines) + "\n")
        (raw / "about").write_text("".join(f"{k} {v}\n" for k, v in ABOUT.items()))
        migrations = [
            {"downtime_ms": ms, "stopped_ms": ms, "silence_to_l1_ms": ms, "silence_to_guest_ms": ms,
             "total_ms": None}
            for ms in (300, 100, 900)
        ]  # fmt: skip
        (raw / "noisy.ours.json").write_text(json.dumps({"migrations": migrations}))
        done = subprocess.run(
            [sys.executable, "-m", "report", *options, str(raw), str(out)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
        )  # fmt: skip
        made = {path.name: path.read_text() for path in out.iterdir()}
        return Outcome(done.returncode, done.stdout + done.stderr, made)


def all_rows() -> None:
    """The figures of a good run become the table, the page, the chart and the JSON"""
    outcome = report(good())
    assert outcome.status == 0, outcome.said
    assert f"{len(ROWS)} of {len(ROWS)} rows meet their goals" in outcome.said
    rows = outcome.json()
    assert list(rows) == [row.name for row in ROWS]
    for row in rows.values():
        assert row.keys() >= {"ours", "upstream", "ratio", "goal", "unit"} and row["met"], row
    commands = rows["blackout_commands"]
    assert (commands["ours"], commands["upstream"], commands["ratio"]) == (4, 8, 0.5)
    assert rows["small_arcs"]["ours"] == 2010 and set(rows["small_arcs"]["rows"]) == {
        "small_arcs/A-B", "small_arcs/B-C"
    }  # fmt: skip
    assert "write_64m" in outcome.made["bench.rst"] and "other_driver" in outcome.made["bench.rst"]
    assert "300" in outcome.made["bench.rst"] and "100-900" in outcome.made["bench.rst"]
    svg = ElementTree.fromstring(outcome.made["bench.svg"])
    assert sum(1 for rect in svg.iter("{http://www.w3.org/2000/svg}rect")) >= 8


def missed() -> None:
    """A missed goal is reported, and is no failure"""
    files = good()
    set_to(files, "write_64m", "90000000")
    set_to(files, "small_arcs/A-B", "1200")
    set_to(files, "to_stop_copy_64m/pages", "1")
    set_to(files, "memory_resume_small", "12288")
    outcome = report(files)
    assert outcome.status == 0, outcome.said
    assert "missed: to_stop_copy_64m, write_64m, small_arcs, memory_resume_small" in outcome.said, outcome.said
    rows = outcome.json()
    assert not rows["write_64m"]["met"] and rows["write_64m"]["ratio"] == 90 / 160
    assert rows["small_arcs"]["ours"] == 1200
    assert rows["memory_resume_small"]["ratio"] == 1.5 and rows["memory_save_small"]["met"]


def bounds() -> None:
    """A time may be a little longer than its bound of the same boot, whatever the peer takes"""
    for row, part in (("read_64m", 1.1), ("write_64m", 1.15)):
        for ours, met in ((part - 0.001, True), (part + 0.001, False)):
            files = good()
            set_to(files, row, str(int(19000000 * ours)))
            rows = report(files).json()
            assert rows[row]["met"] == met, (row, ours, rows[row])
            assert [other for other in rows if not rows[other]["met"]] == ([] if met else [row])


def limits() -> None:
    """The goals that both NICs share, by figure and what it is compared with"""
    want = {
        ("write_64m", "write_64m/bound"): 1.15, ("read_64m", "read_64m/bound"): 1.1,
        ("parallel_16", "parallel_16/alone"): 1.2, ("instructions", goals.PEER): 0.8,
        ("small_arcs/*", goals.PEER): 1.02, ("memory_save_small", goals.PEER): 1.0,
        ("memory_resume_small", goals.PEER): 1.0,
    }  # fmt: skip
    for nic, rows in goals.ROWS.items():
        found = {(goal.figure, goal.against): goal.limit for row in rows for goal in row.goals}
        assert want.items() <= found.items(), (nic, want.items() - found.items())


def unsteady() -> None:
    """Two runs may differ by 1 % in times, and not at all in counts"""
    files = good()
    set_to(files, "write_64m", "20190000", runs="2")
    assert report(files).status == 0
    set_to(files, "write_64m", "20210000", runs="2")
    outcome = report(files)
    assert outcome.status == 1 and "write_64m (ours): 20000000 ns" in outcome.said, outcome.said
    assert list(outcome.made) == ["bench.json"], "a page was made of runs that disagree"
    files = good()
    set_to(files, "blackout_commands", "9", side="upstream", runs="2")
    outcome = report(files)
    assert outcome.status == 1 and "blackout_commands (upstream)" in outcome.said, outcome.said


def third() -> None:
    """If two runs disagree, a third may agree with either of them, and the page says so"""
    files = good()
    set_to(files, "write_64m", "30000000", runs="1")
    assert report(files, "--again").said == "direct ours 3\n", report(files, "--again").said
    assert report(good(), "--again").said.strip() == ""
    files["direct.ours.3"] = list(files["direct.ours.2"])
    outcome = report(files)
    assert outcome.status == 0 and "direct (ours): 3 runs" in outcome.said, outcome.said
    assert outcome.json()["write_64m"]["ours"] == 20000000
    assert "direct (ours): 3 runs" in outcome.made["bench.rst"]
    set_to(files, "write_64m", "40000000", runs="3")
    assert report(files).status == 1
    assert report(files, "--again").said == "direct ours 4\n"
    files["direct.ours.4"] = [line.replace("40000000", "50000000") for line in files["direct.ours.3"]]
    assert report(files).status == 1 and report(files, "--again").said.strip() == ""


def each_figure() -> None:
    """A third run may agree with the first in one figure, with the second in another"""
    files = good()
    files["direct.ours.3"] = list(files["direct.ours.1"])
    set_to(files, "write_64m", "30000000", runs="1")
    set_to(files, "read_64m", "30000000", runs="2")
    outcome = report(files)
    assert outcome.status == 0 and report(files, "--again").said.strip() == "", outcome.said
    assert outcome.json()["write_64m"]["ours"] == 20000000
    set_to(files, "read_64m", "40000000", runs="3")
    assert report(files, "--again").said == "direct ours 4\n"


def lost() -> None:
    """A missing figure of either driver is a failure"""
    for figure, side in (
        ("instructions", "ours"), ("blackout_1ms", "upstream"), ("size_max", "upstream"),
        ("read_64m/bound", "ours"), ("write_64m/bound", "ours"), ("memory_save_small", "upstream"),
        ("precopy_idle/bytes", "ours"), ("small_arcs/B-C", "upstream"),
    ):  # fmt: skip
        files = good()
        set_to(files, figure, "", side=side)
        outcome = report(files)
        assert outcome.status == 1, (figure, outcome.said)
        assert f"error: missing: {figure} ({side})" in outcome.said, (figure, outcome.said)
    files = good()
    del files["direct.ours.2"]
    assert report(files).status == 1


def hung() -> None:
    """If the peer hangs, its last figure is the result; if ours hangs, it is a failure"""
    files = good()
    for run in "12":
        files[f"size.upstream.{run}"].insert(-1, "bench size_max 4194304 bytes")
    ends(files, "size", "upstream", "hung")
    outcome = report(files)
    assert outcome.status == 0 and "never came back" in outcome.said, outcome.said
    assert outcome.json()["size_max"]["upstream"] == 4194304
    set_to(files, "size_max", "", side="upstream")
    assert report(files).status == 0
    files["size.upstream.2"][-1] = "# end 0"
    assert report(files).status == 1
    files = good()
    ends(files, "size", "ours", "hung")
    assert report(files).status == 1
    ends(files, "size", "ours", "0")
    ends(files, "size", "upstream", "1")
    assert report(files).status == 1


def part() -> None:
    """Figures of some scenarios can be shown without writing a file"""
    files = {name: lines for name, lines in good().items() if name.startswith("small.")}
    outcome = report(files, "--partial")
    assert outcome.status == 0 and not outcome.made, outcome.said
    assert "instructions" in outcome.said and "write_64m" not in outcome.said


def added() -> None:
    """A page of some scenarios has their rows, and lists the rows that were not measured"""
    files = {name: lines for name, lines in good().items() if name.startswith(("small.", "delay."))}
    assert report(files).status == 1
    outcome = report(files, "--some")
    assert outcome.status == 0, outcome.said
    assert list(outcome.json()) == ["blackout_commands", "blackout_1ms", "small_arcs", "instructions"]
    page = outcome.made["bench.rst"]
    assert "Not measured, or not twice the same: ``to_stop_copy_64m``" in page and "``blackout_1ms``:" in page
    set_to(files, "blackout_1ms", "", side="upstream")
    assert "blackout_1ms" not in report(files, "--some").json()
    set_to(files, "small_arcs/A-B", "1500", runs="2")
    outcome = report(files, "--some")
    assert outcome.status == 0 and "left out: small_arcs/A-B (ours)" in outcome.said, outcome.said
    assert list(outcome.json()) == ["blackout_commands", "instructions"]


def other_nic() -> None:
    """Another NIC has its own goals and files"""
    assert any(row not in ROWS for row in goals.ROWS["mlx5"])
    outcome = report(good("mlx5"), "--nic", "mlx5")
    assert outcome.status == 0, outcome.said
    rows = outcome.json("mlx5")
    assert list(rows) == [row.name for row in goals.ROWS["mlx5"]] and all(row["met"] for row in rows.values()), rows
    outcome = report(good(), "--some", "--nic", "mlx5")
    assert outcome.status == 0 and set(outcome.made) == {f"bench-mlx5{end}" for end in (".json", ".rst", ".svg")}
    rows = outcome.json("mlx5")
    assert rows["blackout_1ms"]["goals"][0]["limit"] == 0.7 and "memory_save" not in rows


TESTS: tuple[Callable[[], None], ...] = (
    all_rows, missed, bounds, limits, unsteady, third, each_figure, lost, hung, part, added, other_nic,
)  # fmt: skip


def main() -> int:
    print(f"TAP version 13\n1..{len(TESTS)}")
    failed = 0
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            verdict = "ok"
        except (AssertionError, KeyError, ElementTree.ParseError) as error:
            failed += 1
            verdict = "not ok"
            for line in f"{error!r}".replace("\\n", "\n").splitlines():
                print(f"# {line}")
        print(f"{verdict} {number} {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
