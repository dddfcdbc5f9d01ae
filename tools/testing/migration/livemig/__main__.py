# SPDX-License-Identifier: GPL-2.0-only
"""The migration test: run.sh has set up the VFs and calls this."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from .bed import Bed, Setup
from .output import Demo, Output, Tap
from .scenario import DEMO, FULL, Step
from .timeline import verdict
from .vf import Vf
from .wait import Failure


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="livemig")
    parser.add_argument("--driver", required=True, help="the VFs' driver")
    parser.add_argument("--interface", required=True, help="the PF's network interface")
    parser.add_argument("--parts", required=True, type=Path, help="what prepare.sh built")
    parser.add_argument("--work", required=True, type=Path, help="folder for logs and sockets")
    parser.add_argument("--flip", help="corrupt the byte that L1 sends at this offset")
    parser.add_argument("--rate", help="KiB/s to send in either direction")
    parser.add_argument("--demo", action="store_true", help="show a timeline instead of TAP")
    parser.add_argument("vf", nargs=2, help="PCI addresses of the two VFs")
    return parser.parse_args()


def _on_signal(number: int, _: Any) -> None:
    raise Failure(f"ended by signal {number}")


def _setup(args: argparse.Namespace) -> Setup:
    vfs = (Vf("VF0", args.vf[0]), Vf("VF1", args.vf[1]))
    for vf in vfs:
        if vf.driver != args.driver:
            raise Failure(f"{vf.name} ({vf.bdf}) is bound to {vf.driver}, not to {args.driver}")
    options = ["-f", args.flip] if args.flip else []
    options += ["-r", args.rate] if args.rate else []
    return Setup(args.driver, args.interface, vfs, args.parts, args.work, options)


def _timeline(bed: Bed, intact: bool) -> dict[str, Any]:
    to_l1, to_guest = bed.transferred()
    return {
        "driver": bed.setup.driver,
        "transfer": {"intact": intact, "bytes_to_l1": to_l1, "bytes_to_guest": to_guest},
        "migrations": [record.as_json() for record in bed.records],
    }


def _run(bed: Bed, steps: list[Step], out: Output) -> bool:
    try:
        for step in steps:
            step.action(bed, out, step.checks)
    except Failure as failure:
        out.broken(str(failure), bed.evidence())
    return out.complete()


def main() -> int:
    args = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _on_signal)
    args.work.mkdir(parents=True, exist_ok=True)
    steps = DEMO if args.demo else FULL
    plan = [check for step in steps for check in step.checks]
    out = Demo(plan) if args.demo else Tap(plan)
    try:
        bed = Bed(_setup(args))
    except Failure as failure:
        out.broken(str(failure), [])
        return 1
    try:
        good = _run(bed, steps, out)
        timeline = _timeline(bed, good)
    finally:
        bed.close()
    path = args.work / "timeline.json"
    path.write_text(json.dumps(timeline, indent=1) + "\n", encoding="utf-8")
    if args.demo:
        print(verdict(timeline), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
