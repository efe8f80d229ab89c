# SPDX-License-Identifier: GPL-2.0-only
"""Finds kernel reports in a guest's console log."""

import re

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
    r"ODEBUG: ", r"kmemleak: \d+ new suspected", r"Bad page state",
    r"Bad rss-counter", r"double free", r"Slab corruption",
    r"Unreferenced object", r"stack-protector:",
    r"irq \d+: nobody cared",
]))

# Printed by the debugging aids themselves when they come up.
HARMLESS = re.compile(r"DMA-API: (preallocated|debugging enabled)"
                      r"|lockdep: |KASAN: .*initialized|kmemleak: .*enabled")

AFTER = 60	# lines that belong to a report


def find_report(lines):
    """The first report with the lines that follow it, or an empty list."""
    for number, line in enumerate(lines):
        if REPORT.search(line) and not HARMLESS.search(line):
            return lines[number:number + AFTER]
    return []
