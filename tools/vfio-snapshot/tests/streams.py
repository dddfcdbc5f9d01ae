#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Streams, good and bad, in a folder; on stdout the name of each and what info must say of it."""

import struct
import sys
from pathlib import Path

DATA, STOP_COPY_SIZE, IDENT, END = 0, 1, 0x44494E53, 0x444E4553
OPTIONAL = 1


def record(tag: int, payload: bytes, flags: int | None = None, size: int | None = None) -> bytes:
    flags = (0 if tag == DATA else OPTIONAL) if flags is None else flags
    size = len(payload) if size is None else size
    return struct.pack("<QII", size, flags, tag) + payload


def part(kind: int, value: bytes, selector: bytes = b"", optional: bool = False) -> bytes:
    return struct.pack("<HBB8sI", kind, optional, 0, selector, len(value)) + value


def ident(version: int = 1, device: tuple[int, int] = (0x1AF4, 0x1041), back_end: bytes = b"virtio") -> bytes:
    return record(IDENT, struct.pack("<HHHH24s", version, 0, *device, back_end))


def ended(body: bytes, records: int, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return body + record(END, struct.pack("<QQ", records, length))


PARTS = (
    part(0x100, struct.pack("<Q", 1 << 41 | 1 << 32 | 1 << 22 | 1 << 5), optional=True)
    + part(0x101, struct.pack("<Q", 1 << 32 | 1 << 5))
    + part(0x102, struct.pack("<H", 3), struct.pack("<I", 18))
    + part(0x103, b"\x0f")
    + part(0x104, struct.pack("<HHHHQQQ", 256, 1, 1, 0, 0x1000, 0x2000, 0x3000))
    + part(0x200, bytes.fromhex("525400770002"), b"\x01\x01")
    + part(0x4AB, bytes(5000))
)
ONE = ident() + record(DATA, PARTS)
GOOD = ended(ONE, 2)
CONNECTX = ident(1, (0x15B3, 0x101E), b"mlx5") + record(STOP_COPY_SIZE, struct.pack("<Q", 8 << 20))
OTHER = record(0x12345678, b"xyz", OPTIONAL)

STREAMS = {
    # name: (bytes, what the last line says)
    "good": (GOOD, "complete"),
    "two-images": (ended(ident() + record(DATA, PARTS) * 2, 3), "complete"),
    # The images look like device parts, by chance.
    "connectx": (ended(CONNECTX + record(DATA, PARTS) * 2, 4), "complete"),
    "connectx-upstream": (
        record(STOP_COPY_SIZE, struct.pack("<Q", 0x123456789)) + record(DATA, PARTS),
        "complete",
    ),
    "connectx-cut": (CONNECTX[:-3], "3 of them are missing"),
    "without-ident": (record(DATA, PARTS), "complete"),
    "opaque": (ended(ident() + record(DATA, b"\xff" * 99), 2), "complete"),
    "optional-skipped": (ended(ident() + OTHER + record(DATA, PARTS), 3), "complete"),
    "many-records": (ended(ident() + record(DATA, b"\xff") * 3000, 3001), "complete"),
    "empty": (b"", "the file is empty"),
    "cut-header": (GOOD[:60], "it ends in the header of a record, 4 bytes are missing"),
    "cut-data": (GOOD[:100], f"{len(PARTS) - 36} of them are missing"),
    "cut-end": (GOOD[:-1], "1 of them are missing"),
    "no-end": (ONE, "it ends without an END record"),
    "no-data": (ident(), "it ends without device data"),
    "end-first": (ended(ident(), 1), "before any device data"),
    "end-without-ident": (ended(record(DATA, PARTS), 1), "did not begin with IDENT"),
    "end-miscounts": (ended(ONE, 7), "counts 7 records"),
    "end-mismeasures": (ended(ONE, 2, 5), "and 5 bytes before it"),
    "after-end": (GOOD + record(DATA, b"x"), "bytes after the END record"),
    "zeros-after-end": (GOOD + bytes(16), "bytes after the END record"),
    "size-0": (ident() + record(DATA, b""), "a record of size 0"),
    "flags": (ident() + record(DATA, b"x", 6), "unknown flags 0x6"),
    "mandatory-unknown": (ident() + record(0x77, b"x", 0), "unknown tag 0x00000077"),
    "ident-size": (record(IDENT, bytes(31)), "which that tag does not have"),
    "ident-late": (record(DATA, b"x") + ident(), "an IDENT record that is not the first"),
    "ident-version": (ended(ident(2) + record(DATA, b"x"), 2), "an IDENT of a version other"),
    "huge": (ident() + record(DATA, b"x", size=1 << 63), "which no driver accepts"),
    "huge-skip": (ident() + record(0x77, b"x", OPTIONAL, 1 << 40), "which no driver accepts"),
    "text": (b"this is no stream of a device at all, whoever says so", "damaged"),
}

folder = Path(sys.argv[1])
for name, (data, says) in STREAMS.items():
    (folder / name).write_bytes(data)
    print(f"{name}|{says}")
