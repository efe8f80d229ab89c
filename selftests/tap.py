# SPDX-License-Identifier: GPL-2.0-only
"""Reads what the test programs print: TAP as kselftest_harness.h writes it."""

import re
from dataclasses import dataclass, field

PLAN = re.compile(r"1\.\.(\d+)(?:\s*# SKIP\s*(.*))?$")
RESULT = re.compile(r"(not )?ok (\d+)\s*(?:- )?(.*?)(?:\s*# (SKIP|XFAIL)\s*(.*))?$")
FINDING = "# finding: "
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

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.findings += other.findings

    def total(self):
        return len(self.passed) + len(self.failed) + len(self.skipped)


def guest_script(programs):
    """Shell code that runs @programs and frames the output of each."""
    return "".join(f"echo '{BEGIN}{name}'; {name}; "
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


def read_program(name, output, status):
    """The tally of one program: every planned test must report."""
    tally = Tally()
    planned = None
    since = 0			# start of the present test's output
    offset = 0
    for line in output.splitlines(keepends=True):
        offset += len(line)
        if line.startswith(FINDING):
            tally.findings.append(line[len(FINDING):].rstrip())
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
