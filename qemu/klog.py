# SPDX-License-Identifier: GPL-2.0-only
"""Finds kernel reports in a guest's console log."""

import os
import re

# Stacks of the kernel's own leaks, see there.
KERNEL_LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "kernel-leaks")

# What the kernel prints when it finds itself in the wrong.  Level and
# timestamp precede each on the console, so these match anywhere in a line.
REPORT = re.compile("|".join([
    r"BUG: ", r"kernel BUG at ", r"WARNING: ", r"Oops: ", r"Kernel panic",
    r"KASAN: ", r"KFENCE: ", r"KCSAN: ", r"KMSAN: ", r"UBSAN: ",
    r"DMA-API: ",
    r"possible circular locking", r"possible recursive locking",
    r"possible irq lock inversion", r"possible deadlock",
    r"inconsistent lock state", r"suspicious RCU usage",
    r"bad unlock balance", r"held lock freed", r"locks? still held",
    r"scheduling while atomic", r"sleeping function called from invalid",
    r"INFO: task .* blocked for more than", r"rcu: INFO: .* stall",
    r"soft lockup", r"hard LOCKUP", r"general protection fault",
    r"unable to handle", r"list_(add|del) corruption", r"refcount_t: ",
    r"ODEBUG: ", r"Bad page state",
    r"Bad rss-counter", r"double free", r"Slab corruption",
    r"stack-protector:", r"irq \d+: nobody cared",
    # Checkers that give up.
    r"kmemleak: .*disabled", r"ODEBUG disabled",
]))

# Printed by the debugging aids themselves when they come up.
HARMLESS = re.compile(r"DMA-API: (preallocated|debugging enabled)"
                      r"|lockdep: |KASAN: .*initialized|kmemleak: .*enabled")

AFTER = 60	# lines that belong to a report

# What kmemleak found, as its file in debugfs has it: lines without a timestamp.
LEAK = re.compile(r"unreferenced .* 0x[0-9a-f]+ \(size \d+\):")
FRAME = re.compile(r"    (?:\[<[0-9a-f]+>\] )?(\w+)(?:\.[\w.]+)?\+0x")


def known_leaks():
    with open(KERNEL_LEAKS, encoding="utf-8") as file:
        return [line.split() for line in file
                if line.strip() and not line.startswith("#")]


def is_known(leak, known):
    """True if @leak has all functions of one entry, in that order."""
    stack = [frame.group(1) for frame in map(FRAME.match, leak) if frame]
    for functions in known:
        frames = iter(stack)
        if all(function in frames for function in functions):
            return True
    return False


def leaks(lines):
    """Each leak on the console, as its lines, but for the kernel's own."""
    known = known_leaks()
    for number, line in enumerate(lines):
        if not LEAK.match(line):
            continue
        end = number + 1
        while end < len(lines) and lines[end].startswith("  "):
            end += 1
        if not is_known(lines[number:end], known):
            yield lines[number:end]


def find_report(lines):
    """The first report with the lines that follow it, or an empty list."""
    for number, line in enumerate(lines):
        if REPORT.search(line) and not HARMLESS.search(line):
            return lines[number:number + AFTER]
    return next(leaks(lines), [])
