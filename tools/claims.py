# SPDX-License-Identifier: GPL-2.0-only
"""Tables of claims, and whether the tests that they name exist.

A table of claims is a list-table of reStructuredText with the columns "claim" and "shown
by".  The second cell of a row names tests by their program, or says why there are none:

  ``test_msix``: ``msix.is_refused``, ``msix.beside_it_is_not``; ``p2pbuf-stress``
  nothing does: no machine here has it

A program is selftests/NAME.c, a KUnit suite core/NAME.c, selftests/rig.py, or one of
selftests/programs, which have no tests to be named.  A test is NAME, FIXTURE.NAME, or
FIXTURE.VARIANT.NAME where one of the variants is meant.
"""

import glob
import os
import re
import textwrap

HEADER = ["claim", "shown by"]
TABLE = re.compile(r"^\.\. list-table::.*\n((?:(?:   .*)?\n)*)", re.MULTILINE)
NAMES = r"``[\w.]+``(?:, ``[\w.]+``)*"
TESTS = re.compile(rf"``([\w-]+)``(?:: ({NAMES}))?")
NOTHING = "nothing does"


def claims(text):
    """[claim, what shows it] of each row; a row that has not two cells is as it is."""
    found = []
    for table in TABLE.findall(text):
        rows = [[" ".join(cell.split()) for cell in re.split("(?m)^     - ?", row)]
                for row in re.split(r"(?m)^   \* - ?", table)[1:]]
        if rows[:1] == [HEADER]:
            found += rows[1:]
    return found


def tests_of_program(text):
    """Of a program on the selftest harness."""
    names = set(re.findall(r"^TEST(?:_SIGNAL)?\((\w+)", text, re.MULTILINE))
    for fixture, name in re.findall(r"^TEST_F\w*\((\w+),\s*(\w+)", text, re.MULTILINE):
        names.add(f"{fixture}.{name}")
        for variant in re.findall(rf"^FIXTURE_VARIANT_ADD\({fixture}, (\w+)\)", text,
                                  re.MULTILINE):
            names.add(f"{fixture}.{variant}.{name}")
    return names


def known_tests(project):
    """{program: its tests} of all that a table can name."""
    def each(pattern, names):
        for path in glob.glob(os.path.join(project, pattern)):
            with open(path, encoding="utf-8") as file:
                yield os.path.basename(path).rpartition(".")[0], names(file.read())
    return {
        **dict(each("selftests/*.c", tests_of_program)),
        **dict(each("selftests/programs/*.c", lambda text: set())),
        **dict(each("core/*_kunit.c", lambda text: set(
            re.findall(r"KUNIT_CASE(?:_PARAM)?\((\w+)", text)))),
        **dict(each("selftests/rig.py", lambda text: set(
            re.findall(r"^def (\w+)\(\):", text, re.MULTILINE)))),
    }


def wrong_part(part, known):
    """What is wrong with the tests of one program, or None."""
    match = TESTS.fullmatch(part)
    if not match:
        return f"neither tests nor '{NOTHING}: ' and a reason: {part!r}"
    program, names = match.group(1), re.findall(r"[\w.]+", match.group(2) or "")
    if program not in known:
        return f"there is no {program}"
    if bool(names) != bool(known[program]):
        return f"{program} has no tests to be named" if names else \
            f"which test of {program}?"
    missing = sorted(set(names) - known[program])
    return f"{program} has no {', '.join(missing)}" if missing else None


def errors(text, known):
    """What is wrong with the tables of a document, a line for each mistake."""
    rows = claims(text)
    if not rows:
        yield "no table of claims"
    for row in rows:
        claim = textwrap.shorten(row[0], 70)
        if len(row) != len(HEADER) or not all(row):
            yield f"{claim or row}: a claim and what shows it are needed"
        elif not re.match(rf"{NOTHING}: \S", row[1]):
            for part in row[1].split("; "):
                wrong = wrong_part(part, known)
                if wrong:
                    yield f"{claim}: {wrong}"
