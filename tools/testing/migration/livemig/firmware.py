# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that fails on demand: the lab block of the emulated NICs (tools/qemu/LAB.md)."""

import os
from dataclasses import dataclass
from pathlib import Path

from labreg import REGISTERS, Block

from .vf import Vf
from .wait import Failure, until

ARRIVE_SECONDS = 60
# A running ConnectX saves a second image only if blocks of its pad changed.
PAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Command:
    """A command by its opcode, and the status by which the firmware refuses it."""

    name: str
    opcode: int
    status: int


# A VIRTIO NIC answers EBUSY, a ConnectX RES_BUSY.
VIRTIO = {"save": Command("DEV_PARTS_GET", 0x0F, 16), "stop": Command("DEV_MODE_SET", 0x11, 16)}
CONNECTX = {"save": Command("SAVE_VHCA_STATE", 0x118, 6), "stop": Command("SUSPEND_VHCA", 0x115, 6)}


class Firmware:
    """The firmware of one VF's NIC; other VFs are not affected."""

    def __init__(self, vf: Vf) -> None:
        links = Path("/sys/bus/pci/devices", vf.bdf, "physfn").resolve()
        numbers = [link.name.removeprefix("virtfn") for link in links.glob("virtfn*")
                   if os.readlink(link).endswith(vf.bdf)]  # fmt: skip
        self._number = int(numbers[0])
        self._commands = CONNECTX if vf.connectx else VIRTIO
        try:
            self._lab = Block(links.name)
        except OSError as error:
            raise Failure(f"{links.name}: no lab block ({error}); boot with vm.sh -l") from error
        if self._lab.get("ID") != REGISTERS["ID_VALUE"]:
            raise Failure(f"{links.name}: its BAR 2 is not the lab block; boot with vm.sh -l")
        self._lab.set("RESET", 1)
        self._before = 0

    def pad(self) -> None:
        """Give the VF a state that its engine changes."""
        self._lab.set("VF_PAD", PAD_BYTES, self._number)

    def _arrived(self, what: str) -> int:
        """Commands of this kind so far, of all VFs."""
        return self._lab.count(self._commands[what].opcode)

    def wait_first(self, what: str) -> None:
        name = self._commands[what].name
        until(f"the first {name}", ARRIVE_SECONDS, lambda: self._arrived(what) > 0)

    def refuse(self, what: str, *, once: bool = False) -> None:
        """Refuse the next command of this kind, or all from now on."""
        command = self._commands[what]
        self._lab.set("MEMBER", self._number + 1)
        self._lab.set("FAIL_OPCODE", command.opcode)
        self._lab.set("FAIL_STATUS", command.status)
        self._lab.set("FAIL_FLAGS", 0 if once else REGISTERS["FAIL_ON"])
        self._lab.set("FAIL_NTH", 1)
        self._before = self._arrived(what)

    def wait_refused(self, what: str) -> None:
        """Wait until the one command was refused."""
        name = self._commands[what].name
        until(f"a {name} to refuse", ARRIVE_SECONDS, lambda: not self._lab.get("FAIL_NTH"))

    def obey(self, what: str) -> None:
        """Stop refusing; fail if no command was refused."""
        self._lab.set("FAIL_NTH", 0)
        if self._arrived(what) == self._before:
            raise Failure(f"no {self._commands[what].name} came that the firmware could refuse")
