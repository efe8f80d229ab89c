# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a run, for the terminal and as CSV."""

import collections
import csv
import os
import statistics
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import results
from results import number, size

GIB = 1 << 30


@dataclass
class Table:
    """The first column groups rows: in a terminal its text is a heading."""
    name: str			# of its CSV file
    title: str
    head: list
    rows: list
    left: int = 1		# columns of words, after the first one
    note: str = ""

    def text(self):
        lines = [row[1:] for row in [self.head, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*lines)]

        def line(cells):
            cells = [cell.ljust(width) if i < self.left else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(cells, widths))]
            return ("  " + "  ".join(cells)).rstrip()

        text = [self.title, line(lines[0])]
        group = None
        for row in self.rows:
            if row[0] != group:
                group = row[0]
                text += textwrap.wrap(group, 96)
            text.append(line(row[1:]))
        return "\n".join(text + textwrap.wrap(self.note, 96)) + "\n"

    def write(self, directory):
        path = os.path.join(directory, f"{self.name}.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([self.head, *self.rows])


class Axis(NamedTuple):
    """What is varied: the columns of a table, the x axis of a plot."""
    name: str
    group: Callable		# all that is the same in one table or plot
    place: Callable
    label: Callable


RANGES = Axis("ranges", results.layout,
              lambda record: record["ranges"], number)
SIZE = Axis("size",
            lambda record: f"{record['layout']}, {results.ranges(record)}",
            lambda record: record["bytes"], size)


def on_axes(records):
    """(axis, records in the order of tables); no record is left out."""
    places = collections.defaultdict(set)
    for record in records:
        for axis in (RANGES, SIZE):
            places[axis, axis.group(record)].add(axis.place(record))

    def varied(axis, record):
        return len(places[axis, axis.group(record)])

    def shown(axis, record):
        if axis is RANGES:
            return varied(RANGES, record) > 1
        return varied(SIZE, record) > 2 or varied(RANGES, record) == 1

    for axis in (RANGES, SIZE):
        yield axis, sorted(
            (record for record in records if shown(axis, record)),
            key=lambda record: (axis.group(record),
                                results.order(record["strategy"]),
                                axis.place(record)))


def grid(name, title, axis, cells, note=""):
    """A table of @cells: {(group, row): {place: text}}; [] without any."""
    places = sorted({place for row in cells.values() for place in row})
    groups = collections.defaultdict(list)
    for (group, row), texts in cells.items():
        groups[group].append([row, *(texts.get(place, "") for place in places)])
    # Groups that are the same throughout are shown once.
    same = collections.defaultdict(list)
    for group, lines in groups.items():
        same[repr(lines)].append(group)
    rows = [["; ".join(names), *line] for names in same.values()
            for line in groups[names[0]]]
    head = ["layout", "strategy", *map(axis.label, places)]
    return [Table(name, title, head, rows, note=note)] if rows else []


def file_name(*words):
    return "-".join(words).replace("/", "-").replace(", ", "-").replace(" ", "-")


# --- cost ---------------------------------------------------------------------

def mark(record):
    return "*" if record.get("computed") else ""


def spread_rows(cells, key, place, figures):
    """Rows of their own for what lies around a figure: {word: text}."""
    for word, text in figures.items():
        cells[key[0], f"{key[1]} {word}"][place] = text


def cost_note(records):
    """How repeatable the figures are."""
    figures = [results.figure(record) for record in records
               if not record.get("computed")]
    same = sum(found.low == found.high for found in figures)
    note = f"{same} of {len(figures)} figures repeatable to the instruction"
    if same < len(figures):
        note += "; the others with min and max, at most "
        note += f"{max(f.high / f.low - 1 for f in figures if f.low):.1%} apart"
    computed = any(record.get("computed") for record in records)
    return note + "; * computed, not measured" * computed


def instructions(axis, records):
    cells = collections.defaultdict(dict)
    for record in records:
        found = results.figure(record)
        key, place = (axis.group(record), record["strategy"]), axis.place(record)
        cells[key][place] = number(found.value) + mark(record)
        if found.low != found.high:
            spread_rows(cells, key, place, {"min": number(found.low),
                                            "max": number(found.high)})
    return cells


def ratios(result, axis, records):
    """Everything to the limit, and the others to phys."""
    cells = collections.defaultdict(dict)
    for base, left_out in ("limit", ["limit"]), ("phys", ["phys", "limit"]):
        for record in records:
            other = result.find(record, strategy=base)
            if record["strategy"] in left_out or other is None:
                continue
            key = axis.group(record), f"{record['strategy']} / {base}"
            ratio = results.value(record) / results.value(other)
            cells[key][axis.place(record)] = (
                f"{ratio:.3f}{mark(record) or mark(other)}")
    return cells


def counted(axis, records, text):
    cells = collections.defaultdict(dict)
    for record in records:
        if text(record):
            cells[axis.group(record), record["strategy"]][
                axis.place(record)] = text(record)
    return cells


def flushes(record):
    both = record.get("flushes_map"), record.get("flushes_unmap")
    return "" if None in both else f"{both[0]}+{both[1]}"


def segments(record):
    found = record.get("segments")
    return "" if found is None else number(found)


def cost(result):
    for cell, every in result.by_cell("cost"):
        for axis, records in on_axes(every):
            if not records:
                continue
            def table(name, title, cells, note=""):
                return grid(file_name(name, axis.name, cell),
                            f"{title} by {axis.name}: {cell}", axis, cells,
                            note)
            yield from table("cost", "guest instructions, map + unmap,",
                             instructions(axis, records), cost_note(records))
            yield from table("ratio", "ratio of instructions",
                             ratios(result, axis, records))
            yield from table("flushes", "IOTLB flushes, map + unmap,",
                             counted(axis, records, flushes))
            yield from table("segments", "DMA segments",
                             counted(axis, records, segments))


def pages(result):
    """What struct pages of the whole BAR cost before the first map."""
    rows = {(record["cell"], record["bar"]): [
                record["cell"], size(record["bar"]),
                number(record["setup"]) + mark(record), number(record["memmap"]),
                number(round(record["memmap"] * GIB / record["bar"]))]
            for record in result.of("cost") if "setup" in record}
    yield Table("pages", "struct pages: set-up in instructions, memmap in bytes",
                ["cell", "BAR", "set-up", "memmap", "per GiB"],
                [rows[key] for key in sorted(rows)], left=2)


# --- the other measures -------------------------------------------------------

def leaf_text(counts):
    return " ".join(f"{n:,}x{size(leaf)}" for leaf, n in counts.items()) or "none"


def leaf_row(record):
    seen, ideal = results.seen_leaves(record), results.leaves(record["ideal"])
    names = [name for name in ("walker", "probe") if name in record]
    by = "DIFFER" if results.leaves_disagree(record) else "+".join(names)
    ratio = (f"{sum(seen.values()) / sum(ideal.values()):.3f}"
             if ideal else "")
    page, blocks = record.get("nic_page"), record.get("nic_blocks")
    return [record["cell"], record["layout"], record["strategy"],
            number(record["ranges"]), size(record["bytes"]), leaf_text(seen),
            by, leaf_text(ideal), ratio, segments(record),
            size(page) if page else "", number(blocks) if blocks else ""]


def disagreements(result):
    """Lines about leaf entries that walker and probe did not count alike."""
    for record in result.of("leaves"):
        if results.leaves_disagree(record):
            yield (f"leaves differ: {results.describe(record)}: "
                   f"walker {leaf_text(results.leaves(record['walker']))}, "
                   f"probe {leaf_text(results.leaves(record['probe']))}")


def leaves(result):
    yield Table("leaves", "page-table leaf entries, and blocks for a NIC",
                ["cell", "layout", "strategy", "ranges", "size", "leaves",
                 "seen by", "ideal", "/ ideal", "segments", "NIC page",
                 "blocks"], list(map(leaf_row, result.of("leaves"))), left=2)


def memory(result):
    cells = collections.defaultdict(dict)
    sizes = collections.defaultdict(set)
    for record in result.of("memory"):
        sizes[record["what"], record["ranges"]].add(record["exported"])
    for record in result.of("memory"):
        what = record["what"]
        if len(sizes[what, record["ranges"]]) > 1:
            what += f", {size(record['exported'])} exported"
        cells[record["cell"], what][record["ranges"]] = number(record["bytes"])
    for table in grid("memory", "kernel memory held, in bytes, by ranges",
                      RANGES, cells):
        table.head[:2] = ["cell", "what"]
        yield table


def latency(result):
    rows = []
    for record in result.of("latency"):
        found = results.figure(record)
        apart = ["", ""] if found.low == found.high else [
            number(found.low), number(found.high)]
        rows.append([f"{record['what']}, {record['cell']}",
                     *(number(record[name])
                       for name in ("attachments", "dmabufs", "ranges")),
                     number(found.value), *apart])
    yield Table("latency", "guest instructions of other calls",
                ["call", "attachments", "DMABUFs", "ranges", "instructions",
                 "min", "max"], rows, left=0)


def quartiles(times):
    if len(times) < 2:
        return times * 3
    return statistics.quantiles(times, n=4, method="inclusive")


def wall(result):
    for cell, records in result.by_cell("wall"):
        cells = collections.defaultdict(dict)
        for record in records:
            phys = result.find(record, strategy="phys")
            if phys is None:
                continue
            base = statistics.median(phys["ns"])
            low, middle, high = (f"{time / base:.2f}"
                                 for time in quartiles(record["ns"]))
            threads = results.plural(record["threads"], "thread")
            key = f"{record['layout']}, {threads}", record["strategy"]
            cells[key][record["ranges"]] = middle
            spread_rows(cells, key, record["ranges"],
                        {"lower quartile": low, "upper quartile": high})
        yield from grid(file_name("wall", cell), "wall time of map + unmap as "
                        f"ratio to phys in the same run: {cell}", RANGES, cells)


def skips(result):
    where = collections.defaultdict(list)
    for record in result.skipped():
        place = [record.get(name)
                 for name in ("cell", "layout", "strategy", "what")]
        one = record["ranges"] == 1 and "bytes" in record
        where[record["skip"], record["measure"],
              " ".join(filter(None, place))].append(
            size(record["bytes"]) if one else number(record["ranges"]))
    yield Table("skipped", "skipped",
                ["reason", "measure", "where", "ranges, or size of one"],
                [[*key, " ".join(where[key])] for key in sorted(where)], left=3)


def run(result, title="run"):
    """What was run, and where."""
    data = result.data
    machine, versions = data.get("machine", {}), data.get("versions", {})
    facts = {"date": data.get("date"), "mode": data.get("mode"),
             "CPU": machine.get("cpu"), "cores": machine.get("cores"),
             "kernel": versions.get("kernel"), "QEMU": versions.get("qemu"),
             "p2pbuf": versions.get("p2pbuf")}
    return Table("run", title, [*facts],
                 [[str(fact or "unknown") for fact in facts.values()]],
                 left=len(facts))


def every(result):
    """All tables that have rows."""
    for kind in cost, pages, leaves, memory, latency, wall, skips:
        for table in kind(result):
            if table.rows:
                yield table
