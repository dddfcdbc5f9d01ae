# SPDX-License-Identifier: GPL-2.0-only
"""How the guest's processor is made: KVM where L1 has one that works, else TCG.

L1's KVM needs the processor's own extensions: QEMU's TCG emulates those of AMD, and KVM passes
on those of the test host if that allows it.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

from .machine import KVM, TCG, Guest, Machine
from .wait import Ended, Failure, until

MODULES = {"svm": "kvm_amd", "vmx": "kvm_intel"}  # by the processor's flag
TRY_SECONDS = 60
# The guest's kernel gets timer interrupts and goes idle again: it runs. A KVM that does not work
# may exist and never return from the guest.
IDLES = 20


def _load_module() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii").split()
    module = next((MODULES[flag] for flag in MODULES if flag in flags), None)
    if not module:
        raise Failure("L1's processor cannot run guests")
    done = subprocess.run(["modprobe", module], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip() or f"modprobe {module} failed")
    if not Path("/dev/kvm").exists():
        raise Failure("there is no /dev/kvm")


def _idles(machine: Machine) -> int:
    """How often the guest's processor went idle."""
    if not machine.alive():
        raise Failure(machine.ended())
    stats = machine.command(
        "query-stats", target="vcpu", providers=[{"provider": "kvm", "names": ["halt_exits"]}]
    )
    return sum(stat["value"] for one in stats for stat in one["stats"])


def _try(guest: Guest, work: Path) -> None:
    machine = Machine("kvm", guest, work, ["-incoming", f"file:{guest.snapshot}"])
    try:
        until("the guest to run", TRY_SECONDS, lambda: _idles(machine) >= IDLES, step=0.1)
    finally:
        machine.kill()


def choose(guest: Guest, work: Path) -> tuple[Guest, str]:
    """The guest under KVM if it runs there, else under TCG; and which it is, in a line."""
    kvm = replace(guest, accel=KVM)
    try:
        _load_module()
        _try(kvm, work)
    except Ended:
        raise
    except Failure as failure:
        why = str(failure).splitlines()[-1]
        return replace(guest, accel=TCG), f"the guest is emulated, as KVM does not work: {why}"
    return kvm, "the guest runs under KVM"
