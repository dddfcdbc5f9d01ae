# SPDX-License-Identifier: GPL-2.0-only
"""A virtual function as L1's kernel shows it."""

import os
import subprocess
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from .wait import PATIENCE, Failure

SYSFS_SECONDS = 20
_PCI = Path("/sys/bus/pci")
_CONNECTX = 0x15B3  # the vendor


@dataclass(frozen=True)
class Vf:
    name: str  # VF0, VF1
    bdf: str

    @property
    def _device(self) -> Path:
        return _PCI / "devices" / self.bdf

    @property
    def driver(self) -> str | None:
        link = self._device / "driver"
        return os.readlink(link).rpartition("/")[2] if link.exists() else None

    @property
    def connectx(self) -> bool:
        """A ConnectX VF has an engine that writes to memory, but no network and no interrupts."""
        return int((self._device / "vendor").read_text(encoding="ascii"), 16) == _CONNECTX

    @property
    def group(self) -> str:
        """The device node that the user of the VF has open."""
        return "/dev/vfio/" + os.readlink(self._device / "iommu_group").rpartition("/")[2]

    def interrupts(self) -> int:
        """Interrupts that VFIO forwarded from the VF since it was opened."""
        total = 0
        for line in Path("/proc/interrupts").read_text(encoding="ascii").splitlines():
            if "vfio-" in line and self.bdf in line:
                columns = line.partition(":")[2].split()
                total += sum(int(n) for n in takewhile(str.isdigit, columns))
        return total

    def unbind(self) -> None:
        self._write(self._device / "driver" / "unbind")

    def rebind(self) -> None:
        """Bind the driver that driver_override names."""
        self._write(_PCI / "drivers_probe")

    def _write(self, attribute: Path) -> None:
        # A process of its own, because the kernel waits here while the VF is open.
        command = ["sh", "-c", 'echo "$1" >"$2"', "sh", self.bdf, str(attribute)]
        try:
            subprocess.run(command, check=True, timeout=SYSFS_SECONDS * PATIENCE)
        except subprocess.SubprocessError as error:
            raise Failure(f"{self.name}: {attribute.name}: {error}") from error
