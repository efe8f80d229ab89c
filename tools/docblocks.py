# SPDX-License-Identifier: GPL-2.0-only
"""Blocks of commands in the documentation, and whether what a command prints is what
is shown.

A block is a fenced block of Markdown, or a literal block or code-block of
reStructuredText.  In it a line that begins with "$ " is a command, which goes on while
a quote is open or a line ends in a backslash; what follows is its output:

  [...]		alone, with or without words after the dots: any number of lines;
		within a line: any text

What else is to be known of a block stands before it (in reStructuredText before the
paragraph that introduces it) in comments that are not rendered, one each,
"<!-- check-docs: MARK -->" or ".. check-docs: MARK":

  text			no commands: a picture, code, a file
  hardware: WHY		needs real hardware, so it is listed and not run
  ci: WHY		continuous integration runs it anyway: likewise
  guest: [OPTION]...	run in a guest of qemu/run with these options; there "# "
			begins a command too
  exit: N		what the last command exits with; 0 without it
  vary: WORD...		words of the output that differ from run to run, each of which
			stands for any one word; where one is, spaces do not count
"""

import re
import shlex
from dataclasses import dataclass, field

# Whether each takes words; None: it may.
MARKS = {"text": False, "hardware": True, "ci": True, "guest": None,
         "exit": True, "vary": True}
NOT_RUN = ["hardware", "ci"]


class DocError(Exception):
    """Something is wrong with a document; the text says where and what."""


@dataclass
class Command:
    text: str
    output: list


@dataclass
class Block:
    where: str
    lines: list
    marks: dict
    commands: list = field(default_factory=list)

    def not_run(self):
        """The mark that keeps it from being run, or None."""
        return next((mark for mark in NOT_RUN if mark in self.marks), None)


# --- finding blocks ------------------------------------------------------------------

def indent(line):
    return len(line) - len(line.lstrip())


def literal(lines, at, outer):
    """The lines of the block that begins at @at and is indented deeper than @outer,
    and where it ends."""
    end = at
    while end < len(lines) and (not lines[end].strip()
                                or indent(lines[end]) > outer):
        end += 1
    return lines[at:end], end


def dedented(lines):
    """Without common indentation and without blank lines around."""
    width = min((indent(line) for line in lines if line.strip()), default=0)
    return "\n".join(line[width:].rstrip() for line in lines).strip("\n").split("\n")


def blocks_of_markdown(lines):
    """(line number, lines) of each block, (line number, mark) of each mark."""
    at = 0
    while at < len(lines):
        mark = re.fullmatch(r"<!-- check-docs: (.*) -->", lines[at].strip())
        if mark:
            yield at + 1, mark.group(1)
        elif lines[at].startswith("```"):
            end = next((i for i in range(at + 1, len(lines))
                        if lines[i].startswith("```")), len(lines))
            yield at + 1, lines[at + 1:end]
            at = end
        at += 1


CODE = re.compile(r"\s*\.\. (code-block|code|parsed-literal|sourcecode)::")


def blocks_of_rst(lines):
    at = 0
    while at < len(lines):
        line = lines[at]
        mark = re.fullmatch(r"\.\. check-docs: (.*)", line.strip())
        if mark:
            yield at + 1, mark.group(1)
        elif CODE.match(line) or (line.endswith("::") and
                                  not re.match(r"\s*\.\. ", line)):
            found, end = literal(lines, at + 1, indent(line))
            # Options of the directive.
            while CODE.match(line) and found and found[0].strip():
                del found[0]
            if any(each.strip() for each in found):
                yield at + 1, dedented(found)
                at = end - 1
        at += 1


def parsed_mark(text, where):
    name, colon, words = text.partition(":")
    if name not in MARKS:
        raise DocError(f"{where}: no mark is called {name}")
    takes = MARKS[name]
    if takes is not None and takes != bool(words.strip()):
        raise DocError(f"{where}: {name} takes {'' if takes else 'no '}words")
    return name, words.strip()


def blocks(text, path):
    """All blocks of a document, checked."""
    find = blocks_of_markdown if path.endswith(".md") else blocks_of_rst
    marks, found = {}, []
    for number, what in find(text.split("\n")):
        where = f"{path}:{number}"
        if isinstance(what, str):
            name, words = parsed_mark(what, where)
            marks[name] = words
            last = where
            continue
        block = Block(where, what, marks)
        check(block)
        found.append(block)
        marks = {}
    if marks:
        raise DocError(f"{last}: no block follows this mark")
    return found


# --- commands --------------------------------------------------------------------

def is_complete(command):
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def commands(lines, prompts, where):
    found, rest = [], list(lines)
    while rest:
        line = rest.pop(0)
        if not line.startswith(prompts):
            if not found:
                raise DocError(f"{where}: output before the first command: {line}")
            found[-1].output.append(line)
            continue
        text = line[2:]
        while not is_complete(text):
            if not rest:
                raise DocError(f"{where}: this command does not end: {line}")
            text += "\n" + rest.pop(0)
        found.append(Command(text, []))
    return found


def check(block):
    """Fill in @block's commands, or say what is wrong with it."""
    marks, where = block.marks, block.where
    prompts = ("$ ", "# ") if {"guest", "hardware"} & set(marks) else ("$ ",)
    has_commands = any(line.startswith(prompts) for line in block.lines)
    kinds = [mark for mark in marks if mark in ["text", *NOT_RUN]]
    if len(kinds) > 1 or kinds and len(marks) > 1:
        raise DocError(f"{where}: marks that exclude each other: {', '.join(marks)}")
    if "text" in marks and has_commands:
        raise DocError(f"{where}: commands in a block that is marked as text")
    if "text" not in marks and not has_commands:
        raise DocError(f"{where}: no command; a block of something else has to be "
                       "marked")
    if has_commands:
        block.commands = commands(block.lines, prompts, where)
    shown = [line for command in block.commands for line in command.output]
    for word in marks.get("vary", "").split():
        if not any(re.search(as_word(word), line) for line in shown):
            raise DocError(f"{where}: {word} is to vary and is not in the output")


# --- comparing ---------------------------------------------------------------------

def as_word(word):
    return rf"(?<!\w){re.escape(word)}(?!\w)"


def pattern_of_line(line, vary):
    """A regular expression for a line of output as it is shown."""
    if re.fullmatch(r"\[\.\.\.[^\]]*\]", line):
        return r"(?:.*\n)*"
    alternatives = [r"\[\.\.\.\]", *map(as_word, sorted(vary, key=len, reverse=True))]
    pattern, varies = "", False
    for piece in re.split(f"({'|'.join(alternatives)})", line):
        if piece == "[...]":
            pattern += ".*"
        elif piece in vary:
            pattern += r"\S+"
            varies = True
        else:
            pattern += re.escape(piece)
    return (re.sub(r"(?:\\ )+", " +", pattern) if varies else pattern) + r"\n"


def stripped(lines):
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def is_as_shown(shown, printed, vary=()):
    """Is @printed, a text, what these lines show?"""
    shown, printed = stripped(shown), stripped(printed.split("\n"))
    if not shown:
        return not printed
    pattern = "".join(pattern_of_line(line, vary) for line in shown.split("\n"))
    return bool(re.fullmatch(pattern, printed + "\n" if printed else ""))
