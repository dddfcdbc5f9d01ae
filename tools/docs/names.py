#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""names.py TOP: print what the pages of Documentation/ name but the tree does not have.

It checks paths, tests ("program: test*", "kunit file_test: test*") and the lists that must be complete:
tracepoints with their fields, and the operations of a back-end.
"""
import fnmatch
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1])
SELFTESTS = TOP / "tools/testing/selftests/vfio_snapshot"
CORE = TOP / "drivers/vfio/pci/snapshot"
OURS = re.compile(r"``((?:tools|drivers|include|Documentation|debian)/[\w./+-]+)``")
# Files of the kernel, which are not in this tree
KERNEL = {
    "drivers/virtio/virtio_pci_modern.c", "include/linux/virtio_pci_admin.h",
    "include/linux/mlx5/",
    "Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst",
}
PROGRAM = r"(?:mig_\w+_test|kunit \w+_test)"
NAME = r"(?:\\\*)?[\w*\\]+"
TESTS = re.compile(rf"({PROGRAM}):\s+({NAME}(?:,\s+(?!{PROGRAM}){NAME})*)")


def missing_files(page, text):
    """Paths that do not exist."""
    for path in OURS.findall(text):
        if path not in KERNEL and not (TOP / path).exists():
            yield f"{page}: there is no {path}"


def test_source(program):
    """The source of a kselftest ("mig_x_test") or of KUnit tests ("kunit x_test")."""
    kind, _, name = program.rpartition(" ")
    return (CORE / "kunit" if kind else SELFTESTS) / f"{name}.c"


def test_names(program):
    """The names of a program's tests, and its source: some names come from tables in it."""
    source = test_source(program).read_text()
    names = re.findall(r"^\tKUNIT_CASE(?:_PARAM|_SLOW)?\((\w+)", source, re.M)
    names += re.findall(r"^TEST(?:_F)?(?:_TIMEOUT|_SIGNAL)?\((?:\w+, )?(\w+)", source, re.M)
    names += re.findall(r"^FIXTURE_VARIANT_ADD\(\w+, (\w+)\)", source, re.M)
    return names, source


def missing_tests(page, text):
    """Programs and tests that do not exist."""
    for program in set(re.findall(rf"\b{PROGRAM}\b", text)):
        if not test_source(program).exists():
            yield f"{page}: there is no {program}"
    for program, patterns in TESTS.findall(text):
        if not test_source(program).exists():
            continue
        names, source = test_names(program)
        for pattern in re.split(r",\s+", patterns.replace("\\", "")):
            if pattern in source:
                continue
            if not fnmatch.filter(names, f"*{pattern}*"):
                yield f"{page}: {program} has no test {pattern}"


def missing_from(page, what, names):
    """Names that a page must have, as ``name``."""
    path = TOP / "Documentation" / page
    text = path.read_text() if path.exists() else ""
    for name in names:
        if f"``{name}``" not in text:
            yield f"{page}: the {what} {name} is not listed"


def main():
    """Print everything that is missing; the exit status is 1 if there is any."""
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
