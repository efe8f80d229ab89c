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
    r"INFO: task .* blocked.* for more than", r"rcu: INFO: .* stall",
    r"soft lockup", r"hard LOCKUP", r"general protection fault",
    r"unable to handle", r"list_(add|del) corruption", r"refcount_t: ",
    r"ODEBUG: ", r"Bad page state",
    r"Bad rss-counter", r"double free", r"Slab corruption",
    r"stack-protector:", r"irq \d+: nobody cared",
    # Messages without a WARNING, by the file that prints them (Linux 7.3).
    r"unlocked secondary bus reset via",		# drivers/pci/pci.c
    r"Unbalanced pm_runtime_", r"usage count underflow",
                                            # drivers/base/power/runtime.c
    r"Resources present before probing",	# drivers/base/dd.c
    r"kobject: .*(-EEXIST|initialized)",	# lib/kobject.c
    r"cannot create duplicate filename",	# fs/sysfs/dir.c
    r"debugfs: .* already exists",		# fs/debugfs/inode.c
    r"Trying to free nonexistent resource",	# kernel/resource.c
    r"iommu: unaligned: ",			# drivers/iommu/iommu.c
    # A range was reserved, or given back, otherwise than it is mapped:
    # arch/x86/mm/pat/memtype.c, memtype_interval.c.
    r"x86/PAT: .*(conflicting|freeing invalid|map pfn expected)",
    r"BUG [^ ]+ \(", r"FIX [^ ]+: ",	# mm/slub.c, both after a bug
    # Of the user's sizes, or because something else holds all there is;
    # failures that a test injects do not say this.
    r"page allocation failure: ",		# mm/page_alloc.c
    r"ref_tracker: .*( users at|already released)",	# lib/ref_tracker.c
    r"huh, entered softirq",		# kernel/softirq.c
    r"trying to register non-static key",	# kernel/locking/lockdep.c
    r"kmemleak: Found object by alias",	# mm/kmemleak.c
    # Checkers that give up.
    r"kmemleak: .*disabled", r"ODEBUG disabled",
    r"turning off the locking correctness validator",
]))

# Printed by the debugging aids themselves when they come up.
HARMLESS = re.compile(r"DMA-API: (preallocated|debugging enabled)"
                      r"|lockdep: |KASAN: .*initialized|kmemleak: .*enabled")

# vfio-pci resets a function without the lock of the port above it
# (pci_try_reset_function()), of which the PCI core says this just before: vfio-pci
# has no callback for it, our drivers have.
UNLOCKED = re.compile(r"unlocked secondary bus reset via")
VFIO_RESET = re.compile(r"vfio-pci [^ ]+: resetting$")

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


def is_harmless(before, line):
    """True if @line, which looks like a report, is none after the line @before."""
    return bool(HARMLESS.search(line) or
                UNLOCKED.search(line) and VFIO_RESET.search(before))


def find_report(lines):
    """The first report with the lines that follow it, or an empty list."""
    for number, line in enumerate(lines):
        before = lines[number - 1].rstrip() if number else ""
        if REPORT.search(line) and not is_harmless(before, line):
            return lines[number:number + AFTER]
    return next(leaks(lines), [])
