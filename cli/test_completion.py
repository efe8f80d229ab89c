#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of completion.bash, with functions in place of the machine's."""

import os
import subprocess
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
# What the command and the directories have to say.
MACHINE = r"""
p2pbuf() {
	case $1 in
	--help) printf '%s\n' 'Usage: x' '      --usage  y' '' Subcommands: \
		'  topo       all  of it' '  regions    BARs' '  audit      places' \
		'' '  later      no subcommand' ;;
	audit) printf '%s\n' '      --places   List' '      --expect=KIND  ram' ;;
	esac
}
_p2pbuf_functions() {
	case $1 in
	exporter) echo 0000:01:00.0 ;;
	importer) printf '%s\n' 0000:02:00.0 0000:02:01.0 ;;
	*) printf '%s\n' 0000:00:00.0 0000:01:00.0 ;;
	esac
}
COMP_POINT=${#COMP_LINE}
_p2pbuf
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line):
    done = subprocess.run(
        ["bash", "-c", f'. "$1"; {MACHINE}', "bash", os.path.join(HERE, "completion.bash")],
        env={**os.environ, "COMP_LINE": line}, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.split()


class Completion(unittest.TestCase):
    def test_subcommands(self):
        self.assertEqual(complete("p2pbuf "), ["topo", "regions", "audit"])
        self.assertEqual(complete("p2pbuf a"), ["audit"])

    def test_options(self):
        self.assertEqual(complete("p2pbuf audit --"), ["--places", "--expect"])
        self.assertEqual(complete("p2pbuf audit --p"), ["--places"])
        self.assertEqual(complete("p2pbuf --u"), ["--usage"])

    def test_functions(self):
        self.assertEqual(complete("p2pbuf regions "), ["0000:01:00.0"])
        self.assertEqual(complete("p2pbuf regions --json "), ["0000:01:00.0"])
        self.assertEqual(complete("p2pbuf bind "), ["0000:00:00.0", "0000:01:00.0"])
        self.assertEqual(complete("p2pbuf bind 0000:01:00.0 e"), ["exporter"])
        self.assertEqual(complete("p2pbuf topo 0000:01:00.0 "),
                         ["0000:00:00.0", "0000:01:00.0"])

    def test_colons(self):
        self.assertEqual(complete("p2pbuf audit 0000:02:"), ["00.0", "01.0"])
        self.assertEqual(complete("p2pbuf audit 0000:02:00.0 e"), ["export:0000:01:00.0:"])
        self.assertEqual(complete("p2pbuf audit 0000:02:00.0 export:"), ["0000:01:00.0:"])

    def test_revoke(self):
        self.assertEqual(complete("p2pbuf revoke "), ["0000:01:00.0"])
        self.assertEqual(complete("p2pbuf revoke 0000:01:00.0 s"), ["socket:"])
        self.assertEqual(complete("p2pbuf revoke 0000:01:00.0 fd:3 "), [])

    def test_no_more(self):
        self.assertEqual(complete("p2pbuf audit 0000:02:00.0 fd:3 "), [])
        self.assertEqual(complete("p2pbuf events 0000:02:00.0 fd:3 f"), ["fd:"])


if __name__ == "__main__":
    unittest.main()
