#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""labreg.py PF REGISTER[+VF] [VALUE]: reads or writes a register of the lab block (LAB.md), in L1."""

import ctypes
import mmap
import os
import re
import sys


def registers():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab/lab-regs.h")
    with open(path, encoding="ascii") as header:
        return {name: int(val, 0) for name, val in
                re.findall(r"^#define (LAB_\w+)\s+(0x[0-9a-f]+|\d+)(?:ull)?\b", header.read(), re.M)}


def main():
    pf, (name, _, vf), *value = sys.argv[1], sys.argv[2].partition("+"), *sys.argv[3:]
    at = registers()["LAB_" + name] + (0x1000 + 0x40 * int(vf) if vf else 0)
    fd = os.open(f"/sys/bus/pci/devices/{pf}/resource2", os.O_RDWR | os.O_SYNC)
    regs = mmap.mmap(fd, os.fstat(fd).st_size)
    reg = ctypes.c_uint64.from_buffer(regs, at)         # one access of 8 bytes
    if value:
        reg.value = int(value[0], 0)
    else:
        print(reg.value)


if __name__ == "__main__":
    main()
