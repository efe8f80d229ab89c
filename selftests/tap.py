# SPDX-License-Identifier: GPL-2.0-only
"""Reads what the test programs print: TAP as kselftest_harness.h writes it, KTAP
as KUnit does."""

import re
from dataclasses import dataclass, field

PLAN = re.compile(r"1\.\.(\d+)(?:\s*# SKIP\s*(.*))?$")
RESULT = re.compile(r"(not )?ok (\d+)\s*(?:- )?(.*?)(?:\s*# (SKIP|XFAIL)\s*(.*))?$")
FINDING = "# finding: "
# How much an integrity program did.
WORK = re.compile(r"(?:# )?[\w-]+: (\d+) calls\b(?:, (\d+) injected failures)?")
KTAP = "KTAP version"
SUBTEST = "# Subtest: "
BEGIN = "# begin "
END = "# end "


@dataclass
class Tally:
    """What became of tests, by name."""
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)	# (name, output)
    skipped: list = field(default_factory=list)	# (name, reason)
    # What passed tests say of other drivers.
    findings: list = field(default_factory=list)
    calls: int = 0
    injected: int = 0		# failures
    splats: int = 0		# guests whose kernel reported something
    leaks: int = 0		# guests whose kernel lost memory

    def add(self, other):
        self.calls += other.calls
        self.injected += other.injected
        self.splats += other.splats
        self.leaks += other.leaks
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.findings += other.findings

    def total(self):
        return len(self.passed) + len(self.failed) + len(self.skipped)


def by_status(command):
    """Shell code that makes the exit status of @command a test's result."""
    return (f"echo 1..1; if {command}; then echo ok 1 ends well; "
            "else echo not ok 1 ends well, status $?; fi")


def guest_script(programs, commands):
    """Shell code that runs @programs and frames the output of each.

    @commands: shell code for those that are not run by their name alone
    """
    return "".join(f"echo '{BEGIN}{name}'; {commands.get(name, name)}; "
                   f"echo \"{END}{name} $?\"\n" for name in programs)


def read_programs(text, programs):
    """The tally of a guest's whole output."""
    tally = Tally()
    for name in programs:
        start = text.find(f"{BEGIN}{name}\n")
        if start < 0:
            tally.failed.append((name, "was not started\n"))
            continue
        output = text[start:].split("\n", 1)[1]
        end = re.search(rf"^{END}{re.escape(name)} (\d+)$", output, re.M)
        if end:
            tally.add(read_program(name, output[:end.start()],
                                   int(end.group(1))))
        else:
            tally.failed.append((name, output + "did not end\n"))
            break		# nothing was started after it
    return tally


def read_ktap(name, output, status):
    """The tally of KUnit's results: only tests that consist of no others count.

    A test's own tests come before its result, and are indented more.
    """
    tally = Tally()
    titles, planned, seen = {}, {}, {}		# by indentation
    since = offset = 0		# of the present test's output
    for line in output.splitlines(keepends=True):
        offset += len(line)
        text = line.strip()
        depth = len(line) - len(line.lstrip(" "))
        plan, result = PLAN.match(text), RESULT.match(text)
        if text.startswith(SUBTEST):
            titles[depth] = text[len(SUBTEST):]
        if plan:
            planned[depth] = int(plan.group(1))
        if not result:
            continue
        test = f"{name}: {titles.get(depth, '')}: {result.group(3)}"
        below = [each for each in seen if each > depth]
        for each in below:
            ran = seen.pop(each)
            if planned.pop(each, ran) != ran:
                tally.failed.append((test, "not all tests ran\n"))
        seen[depth] = seen.get(depth, 0) + 1
        if result.group(1):
            tally.failed.append((test, output[since:offset]))
        elif result.group(4) == "SKIP":
            tally.skipped.append((test, result.group(5) or "no reason given"))
        elif not below:
            tally.passed.append(test)
        since = offset
    if status or not tally.total():
        tally.failed.append((name, output + f"status {status}\n"))
    return tally


def read_program(name, output, status):
    """The tally of one program: every planned test must report."""
    if output.startswith(KTAP):
        return read_ktap(name, output, status)
    tally = Tally()
    planned = None
    since = 0			# start of the present test's output
    offset = 0
    for line in output.splitlines(keepends=True):
        offset += len(line)
        if line.startswith(FINDING):
            tally.findings.append(line[len(FINDING):].rstrip())
        work = WORK.match(line)
        if work:
            tally.calls += int(work.group(1))
            tally.injected += int(work.group(2) or 0)
        plan = PLAN.match(line.rstrip())
        if plan:
            planned = int(plan.group(1))
            if planned == 0 and plan.group(2):
                tally.skipped.append((name, plan.group(2)))
            since = offset
        result = RESULT.match(line.rstrip())
        if not result:
            continue
        test = f"{name}: {result.group(3) or result.group(2)}"
        if result.group(1):
            tally.failed.append((test, output[since:offset]))
        elif result.group(4) == "SKIP":
            tally.skipped.append((test, result.group(5) or "no reason given"))
        else:
            tally.passed.append(test)
        since = offset
    if planned is None:
        tally.failed.append((name, output + f"no plan; status {status}\n"))
    elif planned and tally.total() != planned:
        tally.failed.append((name, output[since:] + f"{tally.total()} of "
                             f"{planned} tests ran; status {status}\n"))
    elif status and not tally.failed and not tally.skipped:
        tally.failed.append((name, output[since:] + f"status {status}\n"))
    elif tally.total() == 0:
        tally.failed.append((name, output + "no tests\n"))
    return tally
