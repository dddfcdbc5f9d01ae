#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""main.py QEMU [TEST...]: run the tests of the devices that need no guest."""

import sys

import bench
import conformance      # noqa: F401 its tests register themselves
import lab              # noqa: F401
import vhca             # noqa: F401

if __name__ == "__main__":
    sys.exit(bench.main())
