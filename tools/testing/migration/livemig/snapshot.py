# SPDX-License-Identifier: GPL-2.0-only
"""Boot the guest without a NIC and keep its state in a file.

In L1 a Linux guest takes a minute to boot under KVM, and several under TCG. Outside it boots in
seconds under TCG, and loading the file inside takes a few.
"""

import sys
import tempfile
import time
from pathlib import Path

from .machine import MEMORY_MIB, WAITING, Guest, Machine
from .wait import Failure, until

BOOT_SECONDS = 300  # a busy machine


def _waiting(machine: Machine) -> bool:
    if not machine.alive():
        raise Failure("QEMU ended while the guest booted")
    text = machine.status.read_text(encoding="utf-8", errors="replace")
    if "error" in text:
        raise Failure(f"the guest says: {text.strip()}")
    return text.count("waiting") == WAITING


def _saved(machine: Machine) -> bool:
    status = machine.command("query-migrate").get("status")
    if status in ("failed", "cancelled"):
        raise Failure("QEMU could not write the snapshot")
    return bool(status == "completed")


def make(guest: Guest) -> None:
    partial = guest.parts / f"{guest.snapshot.name}.partial"
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine("snapshot", guest, Path(folder), [])
        try:
            until("the guest's boot", BOOT_SECONDS, lambda: _waiting(machine), step=0.1)
            time.sleep(1)  # let the guest fall idle
            machine.command("migrate", uri=f"file:{partial}")
            until("the snapshot", BOOT_SECONDS, lambda: _saved(machine), step=0.1)
            machine.quit()
        except Failure:
            sys.stderr.write(machine.console.read_text(encoding="utf-8", errors="replace"))
            sys.stderr.write(machine.log.read_text(encoding="utf-8", errors="replace"))
            raise
        finally:
            machine.kill()
    partial.rename(guest.snapshot)


if __name__ == "__main__":
    try:
        make(Guest(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else MEMORY_MIB))
    except Failure as failure:
        sys.exit(f"snapshot: {failure}")
