#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""messages.py TOP: print the kernel messages that troubleshooting.rst does not have.
messages.py TOP literals: print the lines and causes of the kernel log that it has.
messages.py TOP lines: print lines as the driver may log them, for each message at least one.

An administrator searches that page for the words of a line in the kernel log. So each format string of
a print in the driver must match one ``literal`` in the first column of the tables in the page's section
"The kernel log says", with any text for a conversion such as %s.
"..." at the end of a literal stands for all that follows the first conversion. The same goes for the
words that %s prints: strings passed to the print or to a function that prints what it is given, and
strings that a file with a print returns, assigns, formats or has in a table. A string of one word is
not looked up.
"""
import itertools
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1])
DRIVER = TOP / "drivers/vfio/pci/snapshot"
PAGE = TOP / "Documentation/admin-guide/troubleshooting.rst"
# They are not part of a host's driver. The page has the line of the sample, too.
KUNIT, SAMPLE = "kunit", "sample"

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


def filled(message, words):
    """The message with each of the words for each %s, and numbers for the other conversions."""
    values = [words if one.endswith("s") else ["-5" if one.endswith(("d", "i")) else "0x10"]
              for one in CONVERSION.findall(message)]
    parts = CONVERSION.split(message)
    for chosen in itertools.product(*values):
        yield parts[0] + "".join(value + part for value, part in zip(chosen, parts[1:]))


def lines(sources):
    """Each format with each message in each place, though the driver logs few of them."""
    formats = dict.fromkeys(next(strings(arguments(text, match.end())))
                            for text in sources.values() for match in PRINT.finditer(text))
    words = dict.fromkeys(["word"] + [line for _, message in messages(sources)
                                      if message not in formats
                                      for line in filled(message, ["word"])])
    for message in formats:
        yield from filled(message, list(words))


def read_sources(*others):
    """The C of the driver, by its path."""
    return {path.relative_to(TOP): without_comments(path.read_text())
            for path in sorted(DRIVER.rglob("*.[ch]"))
            if path.relative_to(DRIVER).parts[0] not in others}


def read_literals():
    """The first column of the tables about the kernel log."""
    section = re.search(r"^The kernel log says\n=+\n(.*?)(?=^[^\n]+\n===)", PAGE.read_text(), re.M | re.S)[1]
    return [" ".join(literal.split())
            for cell in re.findall(r"^   \* - (.*?)^     - ", section, re.M | re.S)
            for literal in re.findall(r"``(.+?)``", cell, re.S)]


def main():
    """Print what is asked for; the exit status says whether a message is missing."""
    literals = read_literals()
    if sys.argv[2:]:
        print(*{"literals": literals, "lines": lines(read_sources(KUNIT))}[sys.argv[2]], sep="\n")
        return 0
    sources = read_sources(KUNIT, SAMPLE)
    found = list(messages(sources))
    if not found:
        raise SystemExit("no message was found in the driver")
    missing = [f"{path}: \"{message}\" is not in {PAGE.name}" for path, message in found
               if len(WORD.findall(CONVERSION.sub(" ", message))) > 1 and not is_told(message, literals)]
    print("\n".join(missing), end="\n" if missing else "")
    return bool(missing)


sys.exit(main())
