#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""labreg.py PF REGISTER[+VF] [VALUE]: read or write a register of the lab block (LAB.md), in L1."""

import ctypes
import mmap
import os
import re
import sys


def _registers():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab/lab-regs.h")
    with open(path, encoding="ascii") as header:
        return {name: int(val, 0) for name, val in
                re.findall(r"^#define LAB_(\w+)\s+(0x[0-9a-f]+|\d+)(?:ull)?\b", header.read(), re.M)}


REGISTERS = _registers()


class Block:
    """The lab block of a PF."""

    def __init__(self, pf):
        fd = os.open(f"/sys/bus/pci/devices/{pf}/resource2", os.O_RDWR | os.O_SYNC)
        try:
            self._regs = mmap.mmap(fd, os.fstat(fd).st_size)
        finally:
            os.close(fd)

    def _at(self, offset):
        return ctypes.c_uint64.from_buffer(self._regs, offset)  # one access of 8 bytes

    def get(self, name, vf=None):
        return self._at(self._offset(name, vf)).value

    def set(self, name, value, vf=None):
        self._at(self._offset(name, vf)).value = value

    def count(self, opcode):
        """Commands with this opcode so far."""
        wide = opcode >= REGISTERS["OPCODES"]
        return self._at((REGISTERS["WIDE_COUNT"] if wide else 0x200) + 8 * opcode).value

    @staticmethod
    def _offset(name, vf):
        return REGISTERS[name] + (0 if vf is None else 0x1000 + 0x40 * int(vf))


def main():
    name, _, vf = sys.argv[2].partition("+")
    block = Block(sys.argv[1])
    if len(sys.argv) > 3:
        block.set(name, int(sys.argv[3], 0), vf or None)
    else:
        print(block.get(name, vf or None))


if __name__ == "__main__":
    main()
