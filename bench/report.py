#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Show the results of a benchmark run as tables, beside the targets and, with
--against, beside an earlier run.  Write the tables as CSV and the cost as plots
with --output.

The exit status is 1 if page-table leaf entries were counted in two ways that do
not agree, 2 for files that are no results.  Targets and changes never fail."""

import argparse
import collections
import os
import sys

import plot
import results
import tables
import targets

# Counts of instructions and bytes may differ by this before it is a change.
TOLERANCE = 0.01
COUNTS = ("flushes_map", "flushes_unmap", "segments")


# --- comparison ---------------------------------------------------------------

def comparable(record):
    """{name: (figure, tolerance)} of what does not depend on the host's load."""
    measure = record["measure"]
    found = {}
    if measure in ("cost", "latency"):
        found["instructions"] = results.value(record), TOLERANCE
    if measure == "memory":
        found["bytes"] = record["bytes"], TOLERANCE
    if measure in ("cost", "leaves"):
        found.update({name: (record[name], 0) for name in COUNTS
                      if record.get(name) is not None})
    if measure == "leaves":
        seen = results.seen_leaves(record)
        found["leaves"] = sum(seen.values()), 0
        found.update({f"leaves of {results.size(leaf)}": (n, 0)
                      for leaf, n in seen.items()})
    return found


def compare(old, new):
    """A table of what changed, and a line that sums up."""
    rows, figures, worse = [], 0, 0
    in_old, in_new = ({key: None for key, record in run.records.items()
                       if "skip" not in record} for run in (old, new))
    common = [key for key in in_new if key in in_old]
    for key in common:
        before, after = (comparable(run.records[key]) for run in (old, new))
        place = results.describe(new.records[key])
        # A size of leaves that one of the two has not got is 0 there.
        names = (dict.fromkeys([*before, *after]) if key[0] == "leaves"
                 else [name for name in after if name in before])
        for name in names:
            was, tolerance = before.get(name, (0, 0))
            now = after.get(name, (0, 0))[0]
            figures += 1
            if abs(now - was) <= tolerance * was:
                continue
            total = not name.startswith("leaves of")
            worse += total and now > was * (1 + TOLERANCE)
            change = f"{now / was - 1:+.1%}" if was else "new"
            rows.append([key[0], place, name, results.number(was),
                         results.number(now), change])
    only = [f"{results.plural(len(keys) - len(common), 'record')} only in the "
            f"{name} run" for keys, name in ((in_old, "old"), (in_new, "new"))
            if len(keys) > len(common)]
    summary = (f"{figures:,} figures, {len(rows):,} changed, {worse:,} worse "
               f"by more than {TOLERANCE:.0%}")
    table = tables.Table("changes", "changes against the earlier run",
                         ["measure", "record", "figure", "before", "now",
                          "change"], rows, left=2)
    return table, "; ".join([summary, *only])


# --- plots --------------------------------------------------------------------

def points(axis, records):
    """Cost of each strategy along @axis: by range if these vary."""
    series = collections.defaultdict(list)
    for record in records:
        each = record["ranges"] if axis is tables.RANGES else 1
        costs = [cost / each for cost in results.figure(record)]
        if min(costs) > 0:
            series[record["strategy"]].append(
                plot.Point(axis.place(record), *costs,
                           bool(record.get("computed"))))
    return series


def plots(result):
    """(file name, SVG) of every series with more than one place."""
    titles = {"ranges": ("ranges", "guest instructions per range, map + unmap"),
              "size": ("bytes mapped", "guest instructions, map + unmap")}
    for cell, every in result.by_cell("cost"):
        for axis, records in tables.on_axes(every):
            groups = collections.defaultdict(list)
            for record in records:
                groups[axis.group(record)].append(record)
            for group, some in groups.items():
                if len(set(map(axis.place, some))) < 2:
                    continue
                name = tables.file_name("cost", axis.name, cell, group)
                series = points(axis, some)
                if series:
                    yield f"{name}.svg", plot.chart(
                        f"{cell}, {group}", *titles[axis.name], axis.label,
                        series)


# --- the whole ----------------------------------------------------------------

def write(result, directory, every):
    os.makedirs(directory, exist_ok=True)
    for table in every:
        table.write(directory)
    for name, svg in plots(result):
        with open(os.path.join(directory, name), "w",
                  encoding="utf-8") as file:
            file.write(svg)


def report(result, old=None, directory=None):
    """Print it all; the exit status."""
    every = [tables.run(result), *tables.every(result), targets.table(result)]
    for table in every:
        print(table.text())
    if result.twice:
        print(f"{results.plural(result.twice, 'record')} measured again: only "
              "the last one is shown")
    if old:
        print(tables.run(old, "the earlier run").text())
        changes, summary = compare(old, result)
        if changes.rows:
            print(changes.text())
        print(summary)
    if directory:
        write(result, directory, every)
    wrong = list(tables.disagreements(result))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(prog="bench/report.py",
                                     description=__doc__)
    parser.add_argument("result", metavar="RESULT.json")
    parser.add_argument("--against", metavar="OLD.json",
                        help="an earlier run to compare with")
    parser.add_argument("--output", metavar="DIR",
                        help="where CSV and SVG files go")
    args = parser.parse_args()
    loaded = []
    for path in filter(None, (args.result, args.against)):
        try:
            loaded.append(results.load(path))
        except (OSError, ValueError) as error:
            parser.error(f"{path}: {error}")
    return report(loaded[0], *loaded[1:], directory=args.output)


if __name__ == "__main__":
    sys.exit(main())
