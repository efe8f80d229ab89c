#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the report, on made-up records."""

import contextlib
import io
import re
import unittest
import xml.dom.minidom

import report
import results
import tables
import targets

PAGE = 4096
INTEL = "host-bridge/intel/strict"


def cost(strategy, instructions, ranges=1, cell=INTEL, piece=PAGE, **more):
    """One that took the same number of instructions in three runs."""
    return {"measure": "cost", "cell": cell, "layout": "shuffled",
            "ranges": ranges, "piece": piece, "bytes": ranges * piece,
            "strategy": strategy, "map": [instructions - 10] * 3,
            "unmap": [10] * 3, **more}


def leaves(walker, probe, ideal):
    return {"measure": "leaves", "cell": INTEL, "layout": "odd", "ranges": 16,
            "bytes": 16 * PAGE, "strategy": "aligned", "walker": walker,
            "probe": probe, "ideal": ideal}


def result(*records):
    return results.Result({"format": 1, "mode": "quick",
                           "records": list(records)})


def printed(*args):
    """(exit status, what report() printed)."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = report.report(*args)
    return status, output.getvalue()


class Figures(unittest.TestCase):
    def test_median_of_sums(self):
        record = cost("phys", 0, map=[5, 1, 3], unmap=[1, 30, 10])
        self.assertEqual(results.figure(record), (13, 6, 31))

    def test_spread_is_shown(self):
        record = cost("phys", 0, map=[100, 101, 120], unmap=[10, 10, 10])
        text = printed(result(record))[1]
        for row in ("phys +111", "phys min +110", "phys max +130",
                    "0 of 1 figures repeatable", "18.2% apart"):
            self.assertRegex(text, row)

    def test_no_spread(self):
        text = printed(result(cost("phys", 111)))[1]
        self.assertIn("1 of 1 figures repeatable to the instruction\n", text)
        self.assertNotIn("phys min", text)

    def test_nothing_left_out(self):
        records = [cost("phys", 100, 1), cost("phys", 100, 16),
                   cost("phys", 100, 1, piece=1 << 30),
                   cost("phys", 100, 64, piece=2 << 20)]
        shown = [record for _, some in tables.on_axes(records)
                 for record in some]
        for record in records:
            self.assertIn(record, shown)

    def test_not_results(self):
        bad = cost("phys", 100)
        del bad["unmap"]
        for records in ([bad], [{**cost("phys", 100), "map": [1]}]):
            with self.assertRaises(ValueError):
                result(*records)
        for data in {"format": 2, "records": []}, {"format": 1}, []:
            with self.assertRaises(ValueError):
                results.Result(data)


class Targets(unittest.TestCase):
    def verdict(self, measure, name, *records):
        target = next(target for target in targets.TARGETS if
                      target.measure == measure and target.name == name)
        return targets.evaluate(target, result(*records))[-2]

    def helper(self, phys, **more):
        return self.verdict(targets.ONE, "phys <= 0.85", cost("phys", phys),
                            cost("helper", 1000, **more))

    def test_ratio(self):
        self.assertEqual(self.helper(850), "met")
        self.assertEqual(self.helper(851), "not met 1 time, by 0.1 % at most")
        self.assertEqual(self.helper(1700),
                         "not met 1 time, by 100.0 % at most")

    def test_no_evidence(self):
        none = "not measured (quick)"
        for more in ({"computed": True}, {"skip": "one range"}, {"ranges": 2}):
            self.assertEqual(self.helper(100, **more), none)
        found = self.verdict(targets.ONE, "phys <= 0.85", cost("helper", 1000),
                             cost("phys", 100, computed=True))
        self.assertEqual(found, none)

    def test_only_its_cells(self):
        records = [cost("phys", 200, 64), cost("limit", 100, 64)]
        self.assertEqual(self.verdict(targets.LIMIT, "AMD <= 1.18", *records),
                         "not measured (quick)")
        self.assertEqual(self.verdict(targets.LIMIT, "VT-d <= 1.12", *records),
                         "not met 1 time, by 78.6 % at most")

    def test_slope(self):
        for last, verdict in ((1000 + 63 * 60, "met"),
                              (5000, "not met 1 time, by 5.8 % at most")):
            found = self.verdict(
                targets.BUS, "phys <= 60",
                cost("phys", 1000, 1, targets.BUS_ADDRESS),
                cost("phys", last, 64, targets.BUS_ADDRESS))
            self.assertEqual(found, verdict)

    def test_revoke(self):
        for last, verdict in ((740, "met"),
                              (1220, "not met 1 time, by 90.5 % at most")):
            found = self.verdict(
                targets.REVOKE, "linear: later ones <= 1.05 each",
                *({"measure": "latency", "what": "revoke", "dmabufs": 1,
                   "attachments": n, "ranges": 1, "count": [count]}
                  for n, count in ((1, 110), (16, 260), (64, last))))
            self.assertEqual(found, verdict)


class Leaves(unittest.TestCase):
    def test_agree(self):
        record = leaves({"4096": 2}, {"4096": 2, "2097152": 0}, {"4096": 2})
        self.assertEqual(printed(result(record))[0], 0)

    def test_disagree(self):
        record = leaves({"4096": 2}, {"4096": 3}, {"4096": 2})
        status, text = printed(result(record))
        self.assertEqual(status, 1)
        self.assertIn("walker 2x4K, probe 3x4K", text)
        # The larger count is what a target sees.
        self.assertRegex(text, r"aligned <= 1\.1 x ideal +1\.500")


class Changes(unittest.TestCase):
    def summary(self, before, after):
        return report.compare(result(*before), result(*after))[1]

    def test_cost(self):
        for now, changes in ((1010, "0 changed, 0 worse"),
                             (1011, "1 changed, 1 worse"),
                             (989, "1 changed, 0 worse")):
            self.assertIn(changes, self.summary([cost("phys", 1000)],
                                                [cost("phys", now)]))

    def test_counts(self):
        found = self.summary(
            [cost("phys", 1000, flushes_unmap=1000, segments=2)],
            [cost("phys", 1000, flushes_unmap=1001, segments=1)])
        self.assertIn("3 figures, 2 changed, 0 worse", found)

    def test_leaves(self):
        one = {"2097152": 1}
        many = {"4096": 512}
        table, summary = report.compare(result(leaves(one, one, one)),
                                        result(leaves(many, many, one)))
        self.assertEqual([row[2:5] for row in table.rows],
                         [["leaves", "1", "512"], ["leaves of 2M", "1", "0"],
                          ["leaves of 4K", "0", "512"]])
        self.assertIn("1 worse", summary)

    def test_only_in_one(self):
        found = self.summary([cost("phys", 1000), cost("sgt", 1, skip="so")],
                             [cost("sgt", 1000)])
        self.assertIn("0 figures", found)
        self.assertIn("1 record only in the old run", found)
        self.assertIn("1 record only in the new run", found)


class Plots(unittest.TestCase):
    def test_same_bytes(self):
        records = [cost(strategy, 1000 * n, n) for n in (1, 64, 65536)
                   for strategy in ("phys", "limit", "a <new> one")]
        plots = dict(report.plots(result(*records)))
        self.assertEqual(list(plots), [
            "cost-ranges-host-bridge-intel-strict-shuffled-4K.svg"])
        self.assertEqual(plots, dict(report.plots(result(*records[::-1]))))
        for svg in plots.values():
            xml.dom.minidom.parseString(svg)
            self.assertNotRegex(svg, re.compile(r"\bnan\b|\binf\b"))

    def test_order(self):
        records = [cost("sgt", 100, piece=PAGE << n) for n in range(4)]
        records += [cost("phys", 100, piece=PAGE << n) for n in (3, 1)]
        for _, some in tables.on_axes(records[::-1]):
            self.assertEqual([record["bytes"] for record in some
                              if record["strategy"] == "sgt"],
                             [PAGE << n for n in range(4)] * bool(some))
        (_, svg), = report.plots(result(*records))
        self.assertLess(svg.index("p2pbuf, phys"), svg.index("p2pbuf, sgt"))
        table = next(tables.cost(result(*records)))
        self.assertEqual([row[1] for row in table.rows], ["phys", "sgt"])


if __name__ == "__main__":
    unittest.main()
