# SPDX-License-Identifier: GPL-2.0-only
"""Runs test programs in one guest."""

import os
import subprocess

import tap

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu/run")
AT_ONCE = 2
TIMEOUT = 1800


def run(options, programs, before=""):
    """Boot a guest, run shell code and @programs; the tally and all output."""
    done = subprocess.run(
        [RUN, "--no-build", "--count-flushes", "--timeout", str(TIMEOUT),
         *options,
         "--", "sh", "-c", before + tap.guest_script(programs)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace")
    tally = tap.read_programs(done.stdout, programs)
    if done.returncode:
        tally.failed.append(("the guest", f"{done.stderr}"
                             f"qemu/run: status {done.returncode}\n"))
    return tally, done.stdout
