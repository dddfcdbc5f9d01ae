#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""commands.py TOP FOLDER: write which operation of the contract leads to which firmware commands.

Read from the source of the back-ends: the functions in a table of operations, and all functions and
tables of the same folder that these name.
"""
import pathlib
import re
import sys

NOTE = "Made by tools/docs/generate.sh from the drivers' source: do not edit."
CONTRACT = {"vfio_snapshot_ops": "vfio_snapshot.h", "vfio_snapshot_dirty_ops": "vfio_snapshot_dirty.h"}
BACKENDS = ("virtio", "mlx5")
# A function "static int name(...)", or a table "... name[] = {", up to its closing brace
DEFINED = re.compile(r"^(?:[a-z][^\n;{}]*?(\w+)\([^;{}]*\)\n|(?:\}|[a-z][^\n;{}]*?) (\w+)\[\] = )\{\n(.*?)^\}",
                     re.M | re.S)
# A table of functions; what of it is used is told by the name of its column
COLUMNS = re.compile(r"^static const struct \{\n((?:.*\(\*\w+\).*\n)+)\} (\w+)\[\]", re.M)
# What the kernel calls a command, where it is not the command's name
KERNEL = {
    "virtio_pci_admin_mode_set": "DEV_MODE_SET",
    "virtio_pci_admin_obj_create": "RESOURCE_OBJ_CREATE",
    "virtio_pci_admin_obj_destroy": "RESOURCE_OBJ_DESTROY",
    "virtio_pci_admin_dev_parts_metadata_get": "DEV_PARTS_METADATA_GET",
    "virtio_pci_admin_dev_parts_get": "DEV_PARTS_GET",
    "virtio_pci_admin_dev_parts_set": "DEV_PARTS_SET",
    "mlx5_core_alloc_pd": "ALLOC_PD",
    "mlx5_core_dealloc_pd": "DEALLOC_PD",
    "mlx5_core_create_mkey": "CREATE_MKEY",
    "mlx5_core_destroy_mkey": "DESTROY_MKEY",
    "mlx5_core_create_cq": "CREATE_CQ",
    "mlx5_core_destroy_cq": "DESTROY_CQ",
}
# An opcode; the macro that makes one of a name; a function of the kernel that sends a command
SENDS = re.compile(r"\bMLX5_CMD_OP_(\w+)|\bmlx5_cmd_exec_in\([^,]+,\s*(\w+),|"
                   r"\b(virtio_pci_admin_(?!has)\w+|mlx5_core_(?:create|destroy|alloc|dealloc)_\w+)\(")


def operations(top, table):
    """The operations of the contract, in its order."""
    text = (top / "include/linux" / CONTRACT[table]).read_text()
    return re.findall(r"\t(?:int|void|void \*)\s?\(\*(\w+)\)", text)


class Backend:
    """The source of one back-end."""

    def __init__(self, folder):
        self.files = {path.name: re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
                      for path in sorted(folder.glob("*.c"))}
        self.bodies = {(file, name or table): body for file, text in self.files.items()
                       for name, table, body in DEFINED.findall(text)}
        for file, text in self.files.items():
            for struct, table in COLUMNS.findall(text):
                self.split(file, table, re.findall(r"\(\*(\w+)\)", struct))

    def split(self, file, table, columns):
        """Each column of a table of functions as a table of its own, named as it is used."""
        rows = re.findall(r"^\t\{ (.*) \},$", self.bodies.pop((file, table)), re.M)
        for cells in zip(columns, *(row.split(", ") for row in rows), strict=True):
            self.bodies[(file, f".{cells[0]}")] = "\n".join(cells[1:])

    def function(self, operation):
        """What the back-end has for an operation."""
        for file, text in self.files.items():
            if match := re.search(rf"^\t\.{operation} = (\w+)", text, re.M):
                return self.find(file, match[1])
        return None

    def find(self, file, name):
        """A function or a table: that of the file, or else of another one."""
        return next((at for at in [(file, name), *((other, name) for other in self.files)]
                     if at in self.bodies), None)

    def reached(self, function):
        """The functions and tables that may be used by one, itself among them."""
        seen, todo = [], [function]
        while todo:
            at = todo.pop(0)
            if at is None or at in seen:
                continue
            seen.append(at)
            todo += [self.find(at[0], name) for name in re.findall(r"\.?\b\w+", self.bodies[at])]
        return seen

    def commands(self, function):
        """The commands that it may send, in the order of the source."""
        found = []
        for at in self.reached(function):
            for match in SENDS.finditer(self.bodies[at]):
                name, macro, call = match.groups()
                found.append(name or macro and macro.upper() or KERNEL[call])
        return [name for name in dict.fromkeys(found) if name]


def cell(backend, operation):
    """What stands in the table."""
    function = backend.function(operation)
    if not function:
        return ""
    return ", ".join(backend.commands(function)) or "no command"


def main():
    """Write the table."""
    top, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    backends = [Backend(top / "drivers/vfio/pci/snapshot" / name) for name in BACKENDS]
    text = [".. SPDX-License-Identifier: GPL-2.0-only", f".. {NOTE}", "", ".. list-table::",
            "   :header-rows: 1", "   :widths: 20 36 44", "", "   * - Operation",
            *(f"     - {name}" for name in BACKENDS)]
    for table in CONTRACT:
        for operation in operations(top, table):
            text.append(f"   * - ``{operation}``")
            text += [f"     - {cell(backend, operation)}".rstrip() for backend in backends]
    (folder / "commands-table.inc").write_text("\n".join(text) + "\n")


main()
