# SPDX-License-Identifier: GPL-2.0-only
"""Directives that show what the sources say of themselves, by the kernel's own tools.

  .. kernel-doc:: PATTERN...	kernel-doc of these files; with :export:, only of
				what a file exports
  .. kernel-abi:: DIRECTORY	descriptions in the format of the kernel's
				Documentation/ABI, if there are any

Paths begin at the project's root.  A warning of a tool is a warning of Sphinx.
"""

import glob
import logging as standard_logging
import os
import re
import subprocess
import sys

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.nodes import nested_parse_with_titles

LINUX = "/usr/src/linux-tools"		# in the build root
KERNEL_DOC = [sys.executable, "-B", f"{LINUX}/tools/docs/kernel-doc", "-rst",
              "-enable-lineno", "-Wall"]
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

log = logging.getLogger(__name__)


class Generated(Directive):
    """Parses text that was generated from files on which the page then depends."""

    has_content = False

    def parse(self, lines):
        section = nodes.section()
        section.document = self.state.document
        nested_parse_with_titles(self.state, lines, section)
        return section.children

    def depend_on(self, path):
        self.state.document.settings.env.note_dependency(path)


def tags():
    """Names of our structs and enums."""
    found = set()
    for path in glob.glob(os.path.join(PROJECT, "[ui]*", "**", "*.h"), recursive=True):
        with open(path, encoding="utf-8") as file:
            found |= set(re.findall(r"^(?:struct|enum) (\w+) \{", file.read(), re.M))
    return found


def with_lines(text, path):
    """kernel-doc's output, each line with its place in @path."""
    lines, line, taken, pushed = StringList(), 0, tags(), False
    for each in text.splitlines():
        mark = re.match(r"\.\. LINENO (\d+)$", each)
        if mark:
            line = int(mark.group(1)) - 1
            continue
        if pushed and each.startswith(".. c:"):
            lines.extend(StringList([".. c:namespace-pop::", ""], path))
            pushed = False
        # In C a function may be called as a struct is; for Sphinx it may not.
        function = re.match(r"\.\. c:function:: .*?(\w+) \(", each)
        if function and function.group(1) in taken:
            lines.extend(StringList([".. c:namespace-push:: function", ""], path))
            pushed = True
        lines.append(each, path, line)
    if pushed:
        lines.append(".. c:namespace-pop::", path, line)
    return lines


class KernelDoc(Generated):
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"export": directives.flag}

    def run(self):
        found = []
        for pattern in self.arguments[0].split():
            paths = sorted(glob.glob(os.path.join(PROJECT, pattern)))
            if not paths:
                raise self.error(f"no file is named {pattern}")
            for path in paths:
                found += self.of_file(path)
        return found

    def of_file(self, path):
        self.depend_on(path)
        chosen = ["-export"] if "export" in self.options else []
        done = subprocess.run([*KERNEL_DOC, *chosen, path], text=True,
                              capture_output=True, check=False)
        for line in done.stderr.splitlines():
            log.warning("kernel-doc: %s", line)
        if done.returncode:
            raise self.error(f"kernel-doc failed for {path}")
        return self.parse(with_lines(done.stdout, path))


class KernelAbi(Generated):
    required_arguments = 1

    def run(self):
        # Only here: without the kernel's libraries the other pages still build.
        sys.path.insert(0, f"{LINUX}/tools/lib/python")
        from abi.abi_parser import AbiParser  # pylint: disable=all

        directory = os.path.join(PROJECT, self.arguments[0])
        if not os.path.isdir(directory):
            return []
        parser = AbiParser(directory, logger=standard_logging.getLogger(
            log.logger.name))
        parser.parse_abi()
        parser.check_issues()
        found = []
        for text, path, line in parser.doc():
            path = os.path.join(directory, path)
            self.depend_on(path)
            lines = StringList()
            for each in text.splitlines():
                lines.append(each, path, line)
            found += self.parse(lines)
        return found


def setup(app):
    app.add_directive("kernel-doc", KernelDoc)
    app.add_directive("kernel-abi", KernelAbi)
    return {"parallel_read_safe": True}
