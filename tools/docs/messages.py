#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""messages.py TOP: print the kernel messages that troubleshooting.rst does not have.

An administrator searches that page for the words of a line in the kernel log. So each format string of
a print in the driver must match one ``literal`` of the page, with any text for a conversion such as %s.
"..." at the end of a literal stands for all that follows the first conversion. The same goes for the
words that %s prints: strings passed to the print or to a function that prints what it is given, and
strings that a file with a print returns, assigns, formats or has in a table. A string of one word is
not looked up.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1])
DRIVER = TOP / "drivers/vfio/pci/snapshot"
PAGE = TOP / "Documentation/admin-guide/troubleshooting.rst"
# They are not part of a host's driver.
OTHERS = ("kunit", "sample")

STRING = r'"(?:[^"\\\n]|\\.)*"'
PRINT = re.compile(r"\b(?:pr|dev|pci)_(?:emerg|alert|crit|err|warn|warning|notice|info)"
                   r"(?:_ratelimited|_once)?\(|\bprintk(?:_ratelimited|_once)?\(")
FORMAT = re.compile(r"\bsc?n?printf\(|\bkasprintf\(")
VALUE = re.compile(rf"(?:\breturn\b|=)[^;{{}}]*?{STRING}[^;{{}}]*;|"
                   r"^(?:static const |\} )[^;{]*= \{\n.*?^\};", re.M | re.S)
COMMENT_OR_STRING = re.compile(rf"/\*.*?\*/|//[^\n]*|{STRING}", re.S)
FUNCTION = re.compile(r"^\w[^;{}#]*?\b(\w+)\(([^;{}]*)\)\n\{\n(.*?)^\}", re.M | re.S)
CONVERSION = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|t|j)?(?:p\w*|[a-zA-Z])")
WORD = re.compile(r"[A-Za-z]{2,}")


def without_comments(text):
    """C without its comments."""
    return COMMENT_OR_STRING.sub(lambda m: m[0] if m[0].startswith('"') else " ", text)


def arguments(text, at):
    """What stands between the parenthesis before @at and the one that closes it."""
    depth, begin = 1, at
    for match in re.compile(rf"{STRING}|[()]").finditer(text, at):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return text[begin:match.start()]
    raise SystemExit(f"no end of a call: {text[begin:begin + 60]!r}")


def strings(text):
    """The strings of a piece of C, adjacent ones joined."""
    for run in re.findall(rf"{STRING}(?:\s*{STRING})*", text):
        parts = re.findall(STRING, run)
        yield re.sub(r"\\(.)", lambda m: {"n": "", "t": " "}.get(m[1], m[1]),
                     "".join(part[1:-1] for part in parts))


def calls(text, pattern):
    """The strings among the arguments of the calls that begin with @pattern."""
    for match in pattern.finditer(text):
        yield from strings(arguments(text, match.end()))


def printers(sources):
    """The functions that print, and those that pass a string on to one."""
    functions = [match for text in sources.values() for match in FUNCTION.findall(text)]
    found = {name for name, _, body in functions if PRINT.search(body)}
    while True:
        call = re.compile(rf"\b(?:{'|'.join(found)})\(") if found else re.compile("(?!)")
        more = {name for name, takes, body in functions
                if "const char *" in takes and call.search(body)} - found
        if not more:
            return call
        found |= more


def messages(sources):
    """Pairs of a file and a string that may be printed."""
    printer = printers(sources)
    for path, text in sources.items():
        found = list(calls(text, PRINT))
        if found:
            found += calls(text, FORMAT)
            found += [one for match in VALUE.finditer(text) for one in strings(match[0])]
        found += calls(text, printer)
        for message in dict.fromkeys(found):
            yield path, message


def is_told(message, literals):
    """Whether the page has it."""
    parts = [" ".join(part.split()) for part in CONVERSION.split(message)]
    pattern = re.compile(".*?".join(rf"\s*{re.escape(part)}\s*" for part in parts))
    for literal in literals:
        if pattern.search(literal):
            return True
        if literal.endswith("...") and len(parts) > 1 and literal[:-3].strip() == parts[0]:
            return True
    return False


def main():
    """Print them; the exit status says whether there was one."""
    sources = {path.relative_to(TOP): without_comments(path.read_text())
               for path in sorted(DRIVER.rglob("*.[ch]"))
               if path.relative_to(DRIVER).parts[0] not in OTHERS}
    literals = [" ".join(literal.split()) for literal in re.findall(r"``(.+?)``", PAGE.read_text(), re.S)]
    found = list(messages(sources))
    if not found:
        raise SystemExit("no message was found in the driver")
    missing = [f"{path}: \"{message}\" is not in {PAGE.name}" for path, message in found
               if len(WORD.findall(CONVERSION.sub(" ", message))) > 1 and not is_told(message, literals)]
    print("\n".join(missing), end="\n" if missing else "")
    return bool(missing)


sys.exit(main())
