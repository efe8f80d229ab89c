#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how claims are found, and what is wrong with them."""

import unittest

import claims

KNOWN = {"test_a": {"one", "f.two", "f.v.two"}, "p2pbuf-stress": set()}


def table(*rows, header="claim", title=""):
    cells = [(header, "shown by"), *rows]
    return (f"Text.\n\n.. list-table:: {title}\n   :header-rows: 1\n\n"
            + "".join(f"   * - {claim}\n     - {shown}\n" for claim, shown in cells)
            + "\nMore text:\n\n   * - no\n     - row\n")


class Finding(unittest.TestCase):
    def test_rows(self):
        text = table(("One line", "``a``"), ("Two\n       lines", "``b``:\n       ``c``"))
        self.assertEqual(claims.claims(text + table(("Another", "``d``"), title="x")),
                         [["One line", "``a``"], ["Two lines", "``b``: ``c``"],
                          ["Another", "``d``"]])

    def test_other_tables(self):
        self.assertEqual(claims.claims(table(("a", "b"), header="route")), [])

    def test_tests_of_a_program(self):
        text = ("FIXTURE_VARIANT_ADD(f, v)\n{\nTEST(one)\n{\nTEST_F(f, two)\n"
                "TEST_F_TIMEOUT(f, three, 5)\n\tTEST(four)\n/* TEST(five) */\n"
                "FIXTURE_VARIANT_ADD(g, w) { };\nTEST_F(g,\n       six)\n")
        self.assertEqual(claims.tests_of_program(text),
                         {"one", "f.two", "f.v.two", "f.three", "f.v.three", "g.six",
                          "g.w.six"})

    def test_known(self):
        known = claims.known_tests(claims.os.path.dirname(claims.os.path.dirname(
            claims.os.path.abspath(__file__))))
        self.assertIn("msix.is_refused", known["test_msix"])
        self.assertIn("check_merge", known["ranges_kunit"])
        self.assertIn("leak", known["rig"])
        self.assertEqual(known["p2pbuf-stress"], set())


class Judging(unittest.TestCase):
    def errors(self, shown):
        return list(claims.errors(table(("This holds.", shown)), KNOWN))

    def test_right(self):
        for shown in ("``test_a``: ``one``", "``test_a``: ``one``, ``f.two``",
                      "``test_a``: ``f.v.two``; ``p2pbuf-stress``", "``p2pbuf-stress``",
                      "nothing does: it cannot be seen"):
            self.assertEqual(self.errors(shown), [], shown)

    def test_wrong(self):
        for shown, reason in (
                ("``test_a``: ``two``", "test_a has no two"),
                ("``test_a``: ``one``, ``f.w.two``", "test_a has no f.w.two"),
                ("``test_a``", "which test of test_a"),
                ("``test_b``: ``one``", "no test_b"),
                ("``test_a``: ``one``; ``test_b``: ``one``", "no test_b"),
                ("``p2pbuf-stress``: ``one``", "no tests to be named"),
                ("test_a: one", "neither tests nor"),
                ("``test_a``: ``one`` in part", "neither tests nor"),
                ("nothing does", "neither tests nor"),
                ("nothing does:", "neither tests nor"),
                ("", "are needed")):
            self.assertEqual(len(self.errors(shown)), 1, shown)
            self.assertIn(reason, self.errors(shown)[0])
            self.assertTrue(self.errors(shown)[0].startswith("This holds.: "))

    def test_no_claim(self):
        self.assertEqual(len(list(claims.errors(table(("", "``test_a``: ``one``")),
                                                KNOWN))), 1)

    def test_cells(self):
        text = ".. list-table::\n\n   * - claim\n     - shown by\n   * - Alone.\n"
        self.assertIn("Alone.: a claim", list(claims.errors(text, KNOWN))[0])

    def test_no_table(self):
        self.assertEqual(list(claims.errors("Text.\n", KNOWN)), ["no table of claims"])


if __name__ == "__main__":
    unittest.main()
