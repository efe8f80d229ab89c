# SPDX-License-Identifier: GPL-2.0-only
"""What igt_runner reads of a test, by igt-protocol (drm/igt/shim/test)."""

import shlex

# Arguments, exit status, and standard output without the times.
CASES = [
    ("--list-subtests", 0,
     "succeeds skips skipped fails crashes succeeds-late aborts".split()),
    ("--show-testlist --run-subtest none", 0,
     [f"igt@igt-protocol@{name}" for name in
      "succeeds skips skipped fails crashes succeeds-late aborts".split()]),
    ("--describe=succeeds", 0, ["succeeds", "  Ends.", ""]),
    ("--help-description", 0, ["All that a test can say."]),
    ("--run-subtest succeeds", 0,
     ["Starting subtest: succeeds", "all is well", "Subtest succeeds: SUCCESS",
      "nothing to test"]),
    ("--run-subtest s[kx]ip?", 77,
     ["Starting subtest: skips", "not here", "Subtest skips: SKIP", "nothing to test"]),
    ("--run-subtest skip*,fails,!skips", 98,
     ["nothing to test", "Subtest skipped: SKIP", "Starting subtest: fails",
      "Subtest fails: FAIL"]),
    ("--run-subtest crashes,*-late", 128 + 11,
     ["nothing to test", "Starting subtest: crashes", "Subtest crashes: CRASH",
      "Starting subtest: succeeds-late", "Subtest succeeds-late: SUCCESS"]),
    ("--run-subtest abort*,fails", 112,
     ["nothing to test", "Starting subtest: fails", "Subtest fails: FAIL",
      "Starting subtest: aborts"]),
    ("--run-subtest none", 79, ["nothing to test"]),
    ("--none", 79, []),
]
OUT = "/tmp/igt-protocol"


def script():
    """Shell code that prints TAP: one result for each case, and one for --help."""
    code = f"echo 1..{len(CASES) + 1}; "
    for number, (arguments, status, lines) in enumerate(CASES, 1):
        command = " ".join(["igt-protocol", *map(shlex.quote, arguments.split())])
        wanted = shlex.quote("\n".join([*lines, f"status {status}"]))
        code += (f"{command} > {OUT} 2>/dev/null; echo status $? >> {OUT}; "
                 f"sed -i '/^IGT-Version: /d; s/ ([0-9.]*s)$//' {OUT}; "
                 f"if [ \"$(cat {OUT})\" = {wanted} ]; then r=ok; else r='not ok'; fi; "
                 f"[ \"$r\" = ok ] || cat {OUT}; echo \"$r {number} \"{shlex.quote(arguments)}; ")
    return code + (f"if igt-protocol --help | grep -q ^Usage: ; then r=ok; else r='not ok'; fi; "
                   f"echo \"$r {len(CASES) + 1} --help\"")
