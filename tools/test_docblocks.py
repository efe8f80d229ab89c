#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how commands are found in documents, and outputs compared."""

import unittest

import docblocks
from docblocks import DocError, blocks, is_as_shown


def rst(text):
    return blocks(text, "page.rst")


def commands(block):
    return [(command.text, command.output) for command in block.commands]


class Finding(unittest.TestCase):
    def test_markdown(self):
        found = blocks("text\n```\n$ a\nb\n\n$ c\n```\nmore\n", "page.md")
        self.assertEqual([commands(block) for block in found],
                         [[("a", ["b", ""]), ("c", [])]])
        self.assertEqual(found[0].where, "page.md:2")

    def test_rst(self):
        found = rst("Text::\n\n    $ a\n      b\n\n    c\n\nmore::\n\n  $ d\n")
        self.assertEqual([commands(block) for block in found],
                         [[("a", ["  b", "", "c"])], [("d", [])]])
        self.assertEqual(found[1].where, "page.rst:8")

    def test_nested_rst(self):
        found = rst("term\n    text::\n\n        $ a\n\n    more\n\n"
                    "- item::\n\n    $ b\n\n- next\n")
        self.assertEqual([commands(block) for block in found],
                         [[("a", [])], [("b", [])]])

    def test_code_block(self):
        found = rst(".. code-block:: console\n   :caption: c\n\n   $ a\n   b\n")
        self.assertEqual(commands(found[0]), [("a", ["b"])])

    def test_directives_are_no_blocks(self):
        self.assertEqual(rst(".. csv-table::\n   :file: x\n\n.. note::\n\n   text\n"), [])

    def test_long_commands(self):
        found = rst("::\n\n  $ sh -c '\n      a\n      b'\n  out\n  $ c \\\n        d\n")
        self.assertEqual(commands(found[0]),
                         [("sh -c '\n    a\n    b'", ["out"]), ("c \\\n      d", [])])

    def test_unclosed(self):
        with self.assertRaisesRegex(DocError, "page.rst:1: .*does not end"):
            rst("::\n\n  $ sh -c 'a\n")


class Marks(unittest.TestCase):
    def test_marks_of_one_block(self):
        found = rst(".. check-docs: vary: 5\n.. check-docs: exit: 1\n\n"
                    "text::\n\n  $ a\n  5\n\nb::\n\n  $ b\n")
        self.assertEqual([block.marks for block in found],
                         [{"vary": "5", "exit": "1"}, {}])

    def test_not_run(self):
        found = blocks("<!-- check-docs: hardware: a NIC -->\n```\n# a\n```\n", "a.md")
        self.assertEqual((found[0].not_run(), found[0].marks["hardware"]),
                         ("hardware", "a NIC"))
        self.assertEqual(commands(found[0]), [("a", [])])

    def test_root_prompt(self):
        found = rst(".. check-docs: guest: --iommu intel\n\n::\n\n  # a\n  b\n")
        self.assertEqual(commands(found[0]), [("a", ["b"])])
        found = rst("::\n\n  $ a\n  # b\n")
        self.assertEqual(commands(found[0]), [("a", ["# b"])])

    def test_wrong(self):
        picture = "::\n\n  picture\n"
        command = "::\n\n  $ a\n  b\n"
        for text, reason in (
                (picture, "no command"),
                (".. check-docs: text\n\n" + command, "marked as text"),
                (".. check-docs: text\n\nthe end\n", "no block follows"),
                (".. check-docs: test\n\n" + command, "no mark is called test"),
                (".. check-docs: ci\n\n" + command, "takes words"),
                (".. check-docs: text: a\n\n" + picture, "takes no words"),
                (".. check-docs: ci: a\n.. check-docs: exit: 1\n\n" + command,
                 "exclude"),
                (".. check-docs: vary: c\n\n" + command, "c is to vary"),
                ("::\n\n  b\n  $ a\n", "before the first command")):
            with self.subTest(text), self.assertRaisesRegex(DocError, reason):
                rst(text)
        self.assertEqual(rst(".. check-docs: text\n\n" + picture)[0].commands, [])


class Comparing(unittest.TestCase):
    def assert_same(self, shown, printed, *vary):
        self.assertTrue(is_as_shown(shown.split("\n"), printed, vary))

    def assert_different(self, shown, printed, *vary):
        self.assertFalse(is_as_shown(shown.split("\n"), printed, vary))

    def test_exact(self):
        self.assert_same("a  b\n\nc", "a  b\n\nc \n")
        self.assert_same("", "")
        for printed in ("a b\n\nc\n", "a  b\nc\n", "a  b\n\nc\nd\n", "A  b\n\nc\n", ""):
            self.assert_different("a  b\n\nc", printed)
        self.assert_different("", "a\n")
        self.assert_different("a.c", "abc\n")

    def test_lines_left_out(self):
        for shown in ("[...]\nz", "[... many]\nz"):
            self.assert_same(shown, "z\n")
            self.assert_same(shown, "x\ny\nz\n")
            self.assert_different(shown, "x\nz\ny\n")
        self.assert_same("a\n[...]", "a\nb\n")
        self.assert_different("[...]\nz", "zz\n")

    def test_text_left_out(self):
        self.assert_same("a [...] b", "a 1 2 b\n")
        self.assert_different("a [...] b", "a 1\n2 b\n")

    def test_varying(self):
        self.assert_same("took 5 s, 15", "took 1.25 s, 15\n", "5")
        self.assert_different("took 5 s, 15", "took 5 s, 16\n", "5")
        self.assert_different("took 5 s", "took s\n", "5")
        self.assert_same("a     5", "a 12345\n", "5")
        self.assert_different("a     b", "a b\n", "5")
        self.assert_same("x 7.2.1+a: y", "x 7.3.4+b: y\n", "7.2.1+a")


class Everything(unittest.TestCase):
    def test_the_text_of_the_module(self):
        for mark in docblocks.MARKS:
            self.assertIn(f"  {mark}", docblocks.__doc__)


if __name__ == "__main__":
    unittest.main()
