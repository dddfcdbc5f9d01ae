#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""commands.py TOP FOLDER: write which firmware commands each operation of the contract may send.

It reads the source of the back-ends: the functions in a table of operations, and all functions and
tables of the same folder that these name. It depends on C's braces only, not on the layout.
"""
import pathlib
import re
import sys

NOTE = "Made by tools/docs/generate.sh from the drivers' source: do not edit."
CONTRACT = {"vfio_snapshot_ops": "vfio_snapshot.h", "vfio_snapshot_dirty_ops": "vfio_snapshot_dirty.h"}
BACKENDS = ("virtio", "mlx5")
# Comments, strings and preprocessor lines: they name no function that is called. An operations table may
# be a macro, so this is not taken out of the text that is searched for operations.
IGNORED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M | re.S)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
# The end of what comes before a body: "name(arguments)" or "name[] ="
FUNCTION = re.compile(r"(\w+)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*$")
TABLE = re.compile(r"(\w+)\s*(?:\[[^\]]*\])*\s*=\s*$")
# The kernel's functions whose names are not the names of the commands that they send
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
# An opcode; the macro that makes an opcode from a name; a function of the kernel that sends a command
SENDS = re.compile(r"\bMLX5_CMD_OP_(\w+)|\bmlx5_cmd_exec_in\([^,]+,\s*(\w+),|"
                   r"\b(virtio_pci_admin_(?!has)\w+|mlx5_core_(?:create|destroy|alloc|dealloc)_\w+)\(")


def operations(top, table):
    """The operations of the contract, in the contract's order."""
    text = (top / "include/linux" / CONTRACT[table]).read_text()
    return re.findall(r"\t(?:int|void|void \*)\s?\(\*(\w+)\)", text)


def blocks(text):
    """Each outermost pair of braces: the text before it, the text in it."""
    depth = begin = head = 0
    for brace in re.finditer(r"[{};]", text):
        if brace[0] == "{":
            depth += 1
            if depth == 1:
                before, begin = text[head:brace.start()], brace.end()
        elif brace[0] == "}":
            depth -= 1
            if depth == 0:
                yield before, text[begin:brace.start()]
                head = brace.end()
        elif depth == 0:
            head = brace.end()


def columns(struct, table):
    """The columns of a table whose type has pointers to functions: name, cells."""
    names = [(re.findall(r"\(\*(\w+)\)", field) or re.findall(r"\w+", field) or [""])[-1]
             for field in struct.split(";")]
    for _, row in blocks(table):
        for i, cell in enumerate(row.split(",")):
            named = re.match(r"\s*\.(\w+)\s*=", cell)
            yield named[1] if named else names[min(i, len(names) - 1)], cell


class Backend:
    """The source of one back-end."""

    def __init__(self, folder):
        self.files = {path.name: COMMENT.sub("", path.read_text())
                      for path in sorted(folder.glob("*.c"))}
        self.bodies = {}
        for file in self.files:
            struct = ""
            for before, body in blocks(IGNORED.sub("", (folder / file).read_text())):
                table = TABLE.search(before)
                if table and "(*" in struct and "struct" not in before:
                    for name, cell in columns(struct, body):
                        at = (file, f".{name}")
                        self.bodies[at] = self.bodies.get(at, "") + cell + "\n"
                elif match := table or FUNCTION.search(before):
                    self.bodies[(file, match[1])] = body.replace("->", ".")
                struct = body if re.search(r"\bstruct\s*$", before) else ""

    def function(self, operation):
        """The back-end's function for an operation."""
        named = [(file, match[1]) for file, text in self.files.items() for match in
                 re.finditer(rf"(?<!\w)\.{operation}\s*=\s*([a-z]\w*)\s*(?:,|\\?\n)", text)]
        found = [self.find(file, name) for file, name in named]
        if named and not any(found):
            sys.exit(f"{named[0][0]}: there is no {named[0][1]}()")
        return next(filter(None, found), None)

    def find(self, file, name):
        """A function or a table: the one of this file, or else of another file."""
        return next((at for at in [(file, name), *((other, name) for other in self.files)]
                     if at in self.bodies), None)

    def reached(self, function):
        """The functions and tables that a function may use, itself included."""
        seen, todo = [], [function]
        while todo:
            at = todo.pop(0)
            if at is None or at in seen:
                continue
            seen.append(at)
            todo += [self.find(at[0], name) for name in re.findall(r"\.?\b\w+", self.bodies[at])]
        return seen

    def commands(self, function):
        """The commands that a function may send, in the order of the source."""
        found = []
        for at in self.reached(function):
            for match in SENDS.finditer(self.bodies[at]):
                name, macro, call = match.groups()
                found.append(name or macro and macro.upper() or KERNEL[call])
        return [name for name in dict.fromkeys(found) if name]


def cell(backend, operation):
    """One cell of the table."""
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
