# SPDX-License-Identifier: GPL-2.0-only
"""The migration test. run.sh sets up the VFs and then runs this."""

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from .accel import choose
from .bed import TRACKING, Bed, Setup
from .machine import MEMORY_MIB, Guest, stock_qemu
from .output import Demo, Output, Tap
from .plans import (
    ALL_VERSIONS,
    BOTH,
    DEMO,
    FIGURES,
    FULL,
    PEER,
    TEN,
    TRACKED,
    VERSIONS,
    WRITES,
    Step,
)
from .timeline import verdict
from .vf import Vf
from .wait import Ended, Failure


PLANS = {
    "full": FULL,
    "peer": PEER,
    "demo": DEMO,
    "versions": VERSIONS,
    "all-versions": ALL_VERSIONS,
    "ten": TEN,
    "writes": WRITES,
    "tracked": TRACKED,
    "both": BOTH,
    "figures": FIGURES,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="livemig")
    parser.add_argument("--driver", required=True, help="the VFs' drivers, for the record")
    parser.add_argument("--interface", default="", help="the PF's network interface")
    parser.add_argument("--parts", required=True, type=Path, help="what prepare.sh built")
    parser.add_argument("--work", required=True, type=Path, help="folder for logs and sockets")
    parser.add_argument("--flip", help="corrupt the byte that L1 sends at this offset")
    parser.add_argument("--rate", help="KiB/s to send in either direction")
    parser.add_argument("--plan", choices=PLANS, default="full", help="what to do")
    parser.add_argument("--stock", required=True, type=Path, help="the older QEMU")
    parser.add_argument("--firmware", required=True, type=Path, help="folder with its firmware")
    parser.add_argument("--memory", type=int, default=MEMORY_MIB, help="the guest's, in MiB")
    parser.add_argument("--tracking", choices=TRACKING, default="nobody",
                        help="who tells QEMU what a ConnectX VF writes to")  # fmt: skip
    parser.add_argument("vf", nargs="+", help="ADDRESS=DRIVER of the VFs: the guest's, the others")
    return parser.parse_args()


def _on_signal(number: int, _: Any) -> None:
    raise Ended(f"ended by signal {number}")


def _setup(args: argparse.Namespace) -> Setup:
    wants = [vf.split("=") for vf in args.vf]
    vfs = tuple(Vf(f"VF{number}", bdf) for number, (bdf, _) in enumerate(wants))
    half = len(vfs) // 2
    for vf, (_, wanted) in zip(vfs, wants, strict=True):
        if vf.driver != wanted:
            raise Failure(f"{vf.name} ({vf.bdf}) is bound to {vf.driver}, not to {wanted}")
    options = ["-f", args.flip] if args.flip else []
    options += ["-r", args.rate] if args.rate else []
    return Setup(
        args.driver, args.interface, (vfs[:half], vfs[half:]),
        Guest(args.parts, args.memory), args.work, options,
        stock_qemu(args.stock, args.firmware), args.tracking,
    )  # fmt: skip


def _timeline(bed: Bed, intact: bool) -> dict[str, Any]:
    to_l1, to_guest = bed.transferred()
    return {
        "driver": bed.setup.driver,
        "memory_mib": bed.setup.guest.memory_mib,
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
    steps = PLANS[args.plan]
    plan = [check for step in steps for check in step.checks]
    out = Demo(plan) if args.plan == "demo" else Tap(plan)
    try:
        setup = _setup(args)
        guest, said = choose(setup.guest, args.work)
        out.note(said)
        bed = Bed(replace(setup, guest=guest))
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
    if args.plan == "demo":
        print(verdict(timeline), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
