# SPDX-License-Identifier: GPL-2.0-only
"""Runs test programs in one guest."""

import os
import subprocess

import tap

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu/run")
AT_ONCE = 2

# The status of qemu/run after a report of the kernel, and how one of kmemleak
# begins.
REPORT = 126
LEAK = "unreferenced object"


def run(options, programs, before="", commands=None):
    """Boot a guest, run shell code and @programs; the tally and all output.

    @commands: shell code for programs that are not run by their name alone
    """
    done = subprocess.run(
        [RUN, "--no-build", "--count-flushes", *options,
         "--", "sh", "-c",
         before + tap.guest_script(programs, commands or {})],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace")
    tally = tap.read_programs(done.stdout, programs)
    if done.returncode:
        tally.failed.append(("the guest", f"{done.stderr}"
                             f"qemu/run: status {done.returncode}\n"))
    if done.returncode == REPORT:
        if done.stderr.startswith(LEAK):
            tally.leaks += 1
        else:
            tally.splats += 1
    return tally, done.stdout
