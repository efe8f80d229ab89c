#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the list's generator, on a made-up source."""

import unittest

import allowlist

MAKEFILE = "# GPL-2.0\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION ={}\nNAME = x\n"

IDS = """\
#define PCI_VENDOR_ID_ONE\t\t0x80AB
#define PCI_DEVICE_ID_ONE_A\t0x0b25 /* new */
"""

RULE = """\
/* it calls rule() */
static bool __rule(void)
{
	return rule(0);
}

static bool
rule(int a, /* one */
     int b)
{
	if (a) {
		return true;
	}
	return false;
}
"""

TABLE = """\
static const struct entry {
	int vendor;
} pci_p2pdma_whitelist[] = {
	/* {a comment} */
	{PCI_VENDOR_ID_ONE,	0x3c00, REQ_SAME_HOST_BRIDGE},
	{PCI_VENDOR_ID_ONE,
	 PCI_DEVICE_ID_ONE_A, 0},
	{PCI_VENDOR_ID_ONE, PCI_ANY_ID, 0},
	{}
};
"""


class List(unittest.TestCase):
    def setUp(self):
        self.known = allowlist.RULE
        code = allowlist.without_comments(RULE)
        allowlist.RULE = {"rule": allowlist.digest(allowlist.function(code, "rule"))}

    def tearDown(self):
        allowlist.RULE = self.known

    def made(self, table=TABLE, rule=RULE, extra=""):
        text = allowlist.allowlist(MAKEFILE.format(extra), rule + table, IDS)
        return [line for line in text.splitlines() if not line.startswith("#")]

    def refused(self, message, **changed):
        with self.assertRaisesRegex(allowlist.Changed, message):
            self.made(**changed)

    def test_entries(self):
        self.assertEqual(self.made(), [
            "linux 7.3.4", "cpu AuthenticAMD 23", "bridge 80ab 3c00 same-only",
            "bridge 80ab 0b25 any", "bridge 80ab any any"])

    def test_release_candidate(self):
        self.assertEqual(self.made(extra=" -rc3")[0], "linux 7.3.4-rc3")

    def test_layout_of_the_rule_does_not_matter(self):
        self.made(rule=RULE.replace("if (a)", "if\t/* why */ (a)"))

    def test_changed_rule(self):
        self.refused(r"^rule\(\) has changed", rule=RULE.replace("if (a)", "if (!a)"))
        self.refused(r"there is no rule\(\)", rule=RULE.replace("\nrule", "\nrules"))

    def test_unknown_flag(self):
        self.refused("REQ_MORE", table=TABLE.replace("REQ_SAME_HOST_BRIDGE", "REQ_MORE"))

    def test_unknown_id(self):
        self.refused("no PCI_VENDOR_ID_TWO", table=TABLE.replace("ID_ONE,\t", "ID_TWO,\t"))

    def test_more_members(self):
        self.refused("what is", table=TABLE.replace("_ANY_ID, 0", "_ANY_ID, 0, 0"))

    def test_no_end(self):
        self.refused("no end", table=TABLE.replace("\t{}\n", ""))

    def test_no_table(self):
        self.refused(r"no pci_p2pdma_whitelist\[\]", table="")


if __name__ == "__main__":
    unittest.main()
