# SPDX-License-Identifier: GPL-2.0-only
"""What p2pbuf is meant to reach, and how far each run is from it.

Each target bounds the largest of some figures from above.  What was computed
and not measured is no evidence and left out.
"""

import collections
import fnmatch
import sys
from collections.abc import Callable
from typing import NamedTuple

import results
from results import number, size
from tables import GIB, Table, leaf_text

VTD, AMD = "*/intel*/*", "*/amd/*"
VTD_STRICT, VTD_LAZY = "*/intel*/strict", "*/intel*/lazy"
BUS_ADDRESS = "switch/off/none"
FROM_64, BELOW_64 = range(64, sys.maxsize), range(1, 64)


class Target(NamedTuple):
    measure: str
    name: str
    bound: float
    figures: Callable	# of a Result: pairs of a figure and where it is from
    form: str = ".3f"


def where(record):
    return (f"{record['cell']} {record['layout']} {results.ranges(record)}, "
            f"{size(record['bytes'])}")


def costs(result, strategy, cells="*"):
    return [record for record in result.of("cost")
            if record["strategy"] == strategy and not record.get("computed")
            and fnmatch.fnmatch(record["cell"], cells)]


# --- kinds of figures: each returns a function of a Result ---------------------

def against(other, strategy, compare, ranges, cells="*"):
    """@compare of two strategies, wherever both were measured."""
    def figures(result):
        for record in costs(result, strategy, cells):
            base = result.find(record, strategy=other)
            if record["ranges"] in ranges and base and not base.get("computed"):
                yield (compare(results.value(record), results.value(base)),
                       where(record))
    return figures


def ratio(one, other):
    return one / other


def excess(one, other):
    return one - other


def slope(points):
    """From the first to the last of {x: y}."""
    first, last = min(points), max(points)
    return (points[last] - points[first]) / (last - first)


def by_ranges(result, strategy, cells, value=results.value):
    """(where, {ranges: instructions}) of each layout in each cell."""
    series = collections.defaultdict(dict)
    for record in costs(result, strategy, cells):
        name = f"{record['cell']} {results.layout(record)}"
        series[name][record["ranges"]] = value(record)
    return series.items()


def per_range(cells):
    def figures(result):
        for name, points in by_ranges(result, "phys", cells,
                                      results.described):
            if len(points) > 1:
                yield slope(points), (f"{name}, {number(min(points))} to "
                                      f"{number(max(points))} ranges")
    return figures


def growth(first, last):
    def figures(result):
        for name, points in by_ranges(result, "phys", "*"):
            if first in points and last in points:
                yield (points[last] / last) / (points[first] / first), name
    return figures


def leaf_entries(cells, strategies, ratio_to_ideal, total=None):
    """Leaves of one range of @total bytes, or of everything."""
    def figures(result):
        for record in result.of("leaves"):
            if (record["strategy"] not in strategies
                    or not fnmatch.fnmatch(record["cell"], cells)
                    or total not in (None, record["bytes"])
                    or (total and record["ranges"] != 1)):
                continue
            seen = results.seen_leaves(record)
            ideal = results.leaves(record["ideal"])
            figure = sum(seen.values())
            if ratio_to_ideal:
                if not ideal:
                    continue
                figure /= sum(ideal.values())
            yield figure, (f"{where(record)} {record['strategy']}: "
                           f"{leaf_text(seen)}")
    return figures


def memory(result, what):
    return [record for record in result.of("memory") if record["what"] == what]


def memory_per_range(what):
    def figures(result):
        series = collections.defaultdict(dict)
        for record in memory(result, what):
            series[record["cell"]][record["ranges"]] = record["bytes"]
        for cell, points in series.items():
            if len(points) > 1:
                each = slope(points)
                fixed = points[min(points)] - each * min(points)
                yield each, (f"{cell}, {number(min(points))} to "
                             f"{number(max(points))} ranges, and "
                             f"{fixed:,.0f} bytes once")
    return figures


def memory_each(what):
    def figures(result):
        for record in memory(result, what):
            yield record["bytes"], f"{record['cell']} {results.ranges(record)}"
    return figures


def memory_per_gib(what):
    def figures(result):
        series = collections.defaultdict(dict)
        for record in memory(result, what):
            name = f"{record['cell']} {results.ranges(record)}"
            series[name][record["exported"]] = record["bytes"]
        for name, points in series.items():
            if len(points) > 1:
                yield slope(points) * GIB, (f"{name}, {size(min(points))} to "
                                            f"{size(max(points))}")
    return figures


def revokes(result):
    return [record for record in result.of("latency")
            if record["what"] == "revoke"]


def revoke_growth(result):
    """What attachments 17 to 64 add each, to what 2 to 16 add each."""
    series = collections.defaultdict(dict)
    for record in revokes(result):
        name = (f"{record['cell']} {results.plural(record['dmabufs'], 'DMABUF')}"
                f", {results.ranges(record)}")
        series[name][record["attachments"]] = results.value(record)
    for name, points in series.items():
        if {1, 16, 64} <= points.keys():
            few = slope({n: points[n] for n in (1, 16)})
            many = slope({n: points[n] for n in (16, 64)})
            yield many / few if few else float(many > 0), name


def revoke_waits(result):
    for record in result.of("latency"):
        if (record["what"] == "revoke, DMA in flight"
                and record["attachments"] == 64):
            yield record["waits"], record["cell"]


# --- the targets --------------------------------------------------------------

ONE = "instructions, 1 range, against the kernel's helper"
MANY = "instructions, 1,024 ranges, against dma_map_phys per range"
LIMIT = "instructions, against the limit, from 64 ranges on"
FEW = "instructions, against the limit, below 64 ranges"
BUS = "bus address: instructions per range, beyond writing the segment"
GROWTH = "growth from 1,024 to 65,536 ranges"
HUGE = "leaf entries, 512 GiB BAR in one range"
ALIGNED = "leaf entries of the aligned layout"
MEMORY = "kernel memory, page tables aside"
REVOKE = "revoke of 64 attachments"


def each_against_dma_map_phys(name, bound, cells):
    return Target(MANY, f"{name} <= {bound}", bound,
                  against("dma_map_phys", "phys", ratio, range(1024, 1025),
                          cells))


TARGETS = [
    Target(ONE, "phys <= 0.85", 0.85,
           against("helper", "phys", ratio, range(1, 2))),
    Target(ONE, "sgt <= 1.0", 1.0,
           against("helper", "sgt", ratio, range(1, 2))),
    each_against_dma_map_phys("VT-d strict", 0.38, VTD_STRICT),
    each_against_dma_map_phys("VT-d lazy", 0.45, VTD_LAZY),
    each_against_dma_map_phys("AMD", 0.2, AMD),
    Target(LIMIT, "VT-d <= 1.12", 1.12,
           against("limit", "phys", ratio, FROM_64, VTD)),
    Target(LIMIT, "AMD <= 1.18", 1.18,
           against("limit", "phys", ratio, FROM_64, AMD)),
    Target(FEW, "VT-d <= limit + 1,500", 1500,
           against("limit", "phys", excess, BELOW_64, VTD), ",.0f"),
    Target(FEW, "AMD <= limit + 1,500", 1500,
           against("limit", "phys", excess, BELOW_64, AMD), ",.0f"),
    Target(BUS, "phys <= 60", 60, per_range(BUS_ADDRESS), ".1f"),
    Target(GROWTH, "phys, per range <= 1.05", 1.05, growth(1024, 65536)),
    Target(HUGE, "VT-d <= 512", 512,
           leaf_entries(VTD, ["phys", "aligned"], False, 512 * GIB), ",.0f"),
    Target(HUGE, "AMD <= 1 x ideal", 1.0,
           leaf_entries(AMD, ["phys", "aligned"], True, 512 * GIB)),
    Target(ALIGNED, "aligned <= 1.1 x ideal", 1.1,
           leaf_entries("*", ["aligned"], True)),
    Target(MEMORY, "DMABUF, bytes per range <= 48", 48,
           memory_per_range("DMABUF"), ",.1f"),
    *(Target(MEMORY, f"mapping {way}, bytes <= 1,024", 1024,
             memory_each(f"mapping {way}"), ",.0f")
      for way in ("phys", "sgt", "aligned")),
    *(Target(MEMORY, f"{what}, bytes per GiB <= 0", 0,
             memory_per_gib(what), ",.0f")
      for what in ("DMABUF", "mapping phys", "mapping sgt",
                   "mapping aligned")),
    # "Linear" is what it is for ranges above.
    Target(REVOKE, "linear: later ones <= 1.05 each", 1.05, revoke_growth),
    Target(REVOKE, "waits <= 1", 1, revoke_waits, ".0f"),
]


def over(figure, bound):
    """By how much a figure is above its bound."""
    if not bound:
        return f"{figure:,.0f}"
    percent = 100 * (figure / bound - 1)
    return f"{percent:,.1f} %" if percent >= 0.1 else f"{percent:.1g} %"


def evaluate(target, result):
    """The row of a target: best and worst of how many figures, how many of them
    miss it, and by how much at most."""
    figures = list(target.figures(result))
    if not figures:
        mode = result.data.get("mode", "this mode")
        return [target.measure, target.name, "", "",
                f"not measured ({mode})", ""]
    best, worst = min(figures), max(figures)
    texts = [format(figure, target.form) for figure, _ in (best, worst)]
    verdict = "met"
    if worst[0] > target.bound:
        missed = sum(figure > target.bound for figure, _ in figures)
        verdict = (f"not met {results.plural(missed, 'time')}, by "
                   f"{over(worst[0], target.bound)} at most")
    return [target.measure, target.name, "..".join(dict.fromkeys(texts)),
            number(len(figures)), verdict, worst[1]]


def table(result):
    return Table("targets", "targets, with the best and the worst figure",
                 ["measure", "target", "figure", "of", "verdict", "worst at"],
                 [evaluate(target, result) for target in TARGETS], left=5)
