#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""names.py TOP: print what the pages of Documentation/ name and the tree does not have.

Files and folders of the tree, tests ("program: test*"), and what a page has to list in full: the
tracepoints with their fields, the operations of a back-end.
"""
import fnmatch
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1])
SELFTESTS = TOP / "tools/testing/selftests/vfio_snapshot"
CORE = TOP / "drivers/vfio/pci/snapshot"
OURS = re.compile(r"``((?:tools|drivers|include|Documentation|debian)/[\w./+-]+)``")
# Files of the kernel that are not here.
KERNEL = {
    "drivers/virtio/virtio_pci_modern.c", "include/linux/virtio_pci_admin.h",
    "include/linux/mlx5/",
    "Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst",
}
TESTS = re.compile(r"(mig_\w+_test): ((?:\\\*)?[\w*\\]+(?:, (?:\\\*)?[\w*\\]+)*)")


def missing_files(page, text):
    """Paths that are not there."""
    for path in OURS.findall(text):
        if path not in KERNEL and not (TOP / path).exists():
            yield f"{page}: there is no {path}"


def test_names(program):
    """The names of a program's tests, with the text of those that are made of tables."""
    source = (SELFTESTS / f"{program}.c").read_text()
    names = re.findall(r"^TEST(?:_F)?(?:_TIMEOUT|_SIGNAL)?\((?:\w+, )?(\w+)", source, re.M)
    names += re.findall(r"^FIXTURE_VARIANT_ADD\(\w+, (\w+)\)", source, re.M)
    return names, source


def missing_tests(page, text):
    """Programs and tests that are not there."""
    for program in set(re.findall(r"\bmig_\w+_test\b", text)):
        if not (SELFTESTS / f"{program}.c").exists():
            yield f"{page}: there is no {program}"
    for program, patterns in TESTS.findall(text):
        if not (SELFTESTS / f"{program}.c").exists():
            continue
        names, source = test_names(program)
        for pattern in patterns.replace("\\", "").split(", "):
            if pattern.startswith("mig_") or pattern in source:
                continue
            if not fnmatch.filter(names, f"*{pattern}*"):
                yield f"{page}: {program} has no test {pattern}"


def missing_from(page, what, names):
    """Names that a page has to have, as ``name``."""
    path = TOP / "Documentation" / page
    text = path.read_text() if path.exists() else ""
    for name in names:
        if f"``{name}``" not in text:
            yield f"{page}: the {what} {name} is not listed"


def main():
    """Print it all; the exit status says whether there was something."""
    wrong = []
    for path in sorted((TOP / "Documentation").rglob("*.rst")):
        page, text = path.relative_to(TOP / "Documentation"), path.read_text()
        wrong += [*missing_files(page, text), *missing_tests(page, text)]
    trace = (CORE / "trace.h").read_text()
    events = re.findall(r"^TRACE_EVENT\((\w+),", trace, re.M)
    fields = re.findall(r"__(?:field\([\w ]+, |string\()(\w+)", trace)
    wrong += missing_from("admin-guide/tracepoints.rst", "event", events)
    wrong += missing_from("admin-guide/tracepoints.rst", "field", dict.fromkeys(fields))
    for header in "vfio_snapshot.h", "vfio_snapshot_dirty.h":
        contract = (TOP / "include/linux" / header).read_text()
        operations = re.findall(r"\t(?:int|void|void \*)\s?\(\*(\w+)\)", contract)
        wrong += missing_from("driver-api/adding-a-nic.rst", "operation", operations)
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong)


sys.exit(main())
