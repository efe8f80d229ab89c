# SPDX-License-Identifier: GPL-2.0-only
"""Results of a benchmark run: one record per measurement, out of a JSON file."""

import collections
import json
import statistics
from typing import NamedTuple

# In the order of every table and legend.
STRATEGIES = ["phys", "sgt", "aligned", "helper", "corrected", "dma_map_phys",
              "dma_map_resource", "pages", "limit"]

# What tells one record of a measure from the others of the same measure.
KEYS = {
    "cost": ("cell", "layout", "ranges", "piece", "bytes", "strategy"),
    "wall": ("cell", "layout", "ranges", "threads", "strategy"),
    "leaves": ("cell", "layout", "ranges", "bytes", "strategy"),
    "memory": ("cell", "what", "ranges", "exported"),
    "latency": ("cell", "what", "attachments", "dmabufs", "ranges"),
}
DEFAULTS = {
    "wall": {"threads": 1},
    "memory": {"cell": "any cell", "exported": 0},
    "latency": {"cell": "any cell"},
}


class Figure(NamedTuple):
    """The median of some runs, and how far they lie apart."""
    value: int
    low: int
    high: int


def runs(record):
    """What was counted, run by run."""
    if record["measure"] == "cost":
        return [sum(pair) for pair in
                zip(record["map"], record["unmap"], strict=True)]
    return record["count"]


def figure(record):
    counted = runs(record)
    # Of an even number of runs the lower one in the middle: a real count.
    return Figure(statistics.median_low(counted), min(counted), max(counted))


def value(record):
    """What every table, plot and target shows."""
    return figure(record).value


def described(record):
    """With what an importer pays to ask for each segment."""
    return value(record) + statistics.median_low(record.get("describe", [0]))


def leaves(counts):
    """{"4096": n} with numbers as keys, the largest first, without zeros."""
    return {int(name): counts[name]
            for name in sorted(counts, key=int, reverse=True) if counts[name]}


def seen_leaves(record):
    """Of two counts that disagree the larger one."""
    counts = [leaves(record[name]) for name in ("walker", "probe")
              if name in record]
    return max(counts, key=lambda count: sum(count.values()))


def leaves_disagree(record):
    """Both counted, and not the same."""
    return ("walker" in record and "probe" in record
            and leaves(record["walker"]) != leaves(record["probe"]))


def order(strategy):
    known = strategy in STRATEGIES
    return (STRATEGIES.index(strategy) if known else len(STRATEGIES), strategy)


# --- how numbers and places are written ---------------------------------------

def number(n):
    return f"{n:,}"


def size(n):
    """A number of bytes in the largest unit that divides it."""
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if n and n % (1 << shift) == 0:
            return f"{n >> shift:,}{unit}"
    return f"{n:,}"


def layout(record):
    piece = size(record["piece"])
    name = record["layout"]
    return name if name == piece else f"{name} {piece}"


def plural(n, word):
    return f"{n:,} {word}{'s' * (n != 1)}"


def ranges(record):
    return plural(record["ranges"], "range")


def describe(record):
    """All of a record's key but its measure, for a reader."""
    words = []
    for name in KEYS[record["measure"]]:
        found = record[name]
        if isinstance(found, int):
            found = (size(found) if name in ("piece", "bytes", "exported")
                     else plural(found, name.rstrip("s")))
        words.append(found)
    return " ".join(words)


# --- the records of a run -----------------------------------------------------

def check(record):
    """The record with its defaults; ValueError if something is missing."""
    measure = record["measure"]
    record = {**DEFAULTS.get(measure, {}), **record}
    missing = [name for name in KEYS[measure] if name not in record]
    if missing:
        raise ValueError(f"no {', '.join(missing)} in {record}")
    if "skip" in record:
        return record
    counted = {"cost": ("map", "unmap"), "wall": ("ns",),
               "latency": ("count",), "memory": ("bytes",),
               "leaves": ("ideal",)}[measure]
    if not all(record.get(name) or record.get(name) == 0 for name in counted):
        raise ValueError(f"no {' or '.join(counted)} in {record}")
    if measure == "cost" and len(record["map"]) != len(record["unmap"]):
        raise ValueError(f"not every map has its unmap in {record}")
    if measure == "leaves" and not ("walker" in record or "probe" in record):
        raise ValueError(f"no walker or probe in {record}")
    return record


class Result:
    """One run: what it says of itself, and its records by key.

    Of records with one key the last one is kept, and @twice counts the others.
    """

    def __init__(self, data):
        if (not isinstance(data, dict) or data.get("format") != 1
                or not isinstance(data.get("records"), list)):
            raise ValueError("not results of format 1")
        self.data = data
        known = [check(record) for record in data["records"]
                 if record.get("measure") in KEYS]
        self.records = {self.key(record): record for record in known}
        self.twice = len(known) - len(self.records)

    @staticmethod
    def key(record):
        measure = record["measure"]
        return (measure, *(record[name] for name in KEYS[measure]))

    def of(self, measure):
        """All of @measure that have figures, in the order of tables."""
        found = [record for record in self.records.values()
                 if record["measure"] == measure and "skip" not in record]
        return sorted(found, key=self.place)

    def place(self, record):
        return [order(record[name]) if name == "strategy" else record[name]
                for name in sorted(KEYS[record["measure"]], key=self.rank)]

    @staticmethod
    def rank(name):
        """Strategies lie inside layouts, and numbers inside strategies."""
        return ["cell", "what", "layout", "piece", "threads", "strategy",
                "attachments", "dmabufs", "ranges", "bytes",
                "exported"].index(name)

    def skipped(self):
        return [record for record in self.records.values() if "skip" in record]

    def find(self, record, **other):
        """The record that differs from @record in @other only, or None."""
        found = self.records.get(self.key({**record, **other}))
        return None if found is None or "skip" in found else found

    def by_cell(self, measure):
        cells = collections.defaultdict(list)
        for record in self.of(measure):
            cells[record["cell"]].append(record)
        return cells.items()


def load(path):
    with open(path, encoding="utf-8") as file:
        return Result(json.load(file))
