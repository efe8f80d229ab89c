# SPDX-License-Identifier: GPL-2.0-only
"""Counts the leaf entries of the page tables by which VT-d translates a function's
addresses.

They are read through QEMU's monitor as the hardware finds them, from its registers
on; nothing the guest says is believed.  Names are those of the VT-d specification,
registers of its chapter "Register Descriptions" and entries of "Translation Structure
Formats".

A function is looked up by its own address: all bridges of the rig are PCI Express and
pass the requester id on.
"""

import collections
import re
from dataclasses import dataclass

import monitor
import topology

REGISTERS = 0xfed90000		# of q35's only remapping hardware unit
GSTS_REG, RTADDR_REG = 0x1c, 0x20
LEGACY, SCALABLE = 0, 1		# RTADDR_REG, Translation Table Mode

ADDRESS = (1 << 52) - (1 << 12)	# in any entry
LARGE = 1 << 7			# Page Size of a paging entry, levels 2 and 3
PAGE_SHIFT = 12
LEVEL_BITS = 9

REQUEST = re.compile(r"0000:([0-9a-f]{2}):([01][0-9a-f])\.([0-7])"
                     r" 0x([0-9a-f]+) 0x([0-9a-f]+)")


class NoLeaves(Exception):
    """There are no tables, or they do not cover the addresses; the text says why."""


def field(value, high, low):
    return value >> low & (1 << high - low + 1) - 1


@dataclass(frozen=True)
class Table:
    """A table of paging entries, present if they have any bit of @present."""
    address: int
    level: int
    present: int

    def shift(self):
        """An entry translates 1 << this."""
        return PAGE_SHIFT + LEVEL_BITS * (self.level - 1)

    def below(self, entry):
        return Table(entry & ADDRESS, self.level - 1, self.present)


def first_stage(pointer, paging_mode):
    return Table(pointer & ADDRESS, 4 + paging_mode, 0x1)


def second_stage(pointer, address_width):
    # Readable or writable
    return Table(pointer & ADDRESS, 2 + address_width, 0x3)


class Walker:
    """Answers what the guest asks about its tables, and stands still meanwhile."""

    def __init__(self, vm_monitor, iommu):
        self.monitor = vm_monitor
        self.iommu = iommu

    def _entry(self, name, table, index, words):
        """Entry @index, of 64-bit @words, of @table, if it is present."""
        entry = self.monitor.memory((table & ADDRESS) + index * words * 8, words)
        if not entry[0] & 1:
            raise NoLeaves(f"the function's {name} is not present")
        return entry

    def _legacy(self, root, bus, devfn):
        table, _ = self._entry("root entry", root, bus, 2)
        low, high = self._entry("context entry", table, devfn, 2)
        # Translation Type: without or with a device's own IOTLB
        if field(low, 3, 2) not in (0, 1):
            raise NoLeaves("the function's requests pass through")
        return second_stage(low, field(high, 2, 0))

    def _scalable(self, root, bus, devfn):
        """By the PASID that requests without one have (RID_PASID)."""
        # A lower and an upper half of each root entry, for 128 functions each
        table, = self._entry("scalable-mode root entry", root,
                             2 * bus + (devfn >> 7), 1)
        directory, context, *_ = self._entry("scalable-mode context entry",
                                             table, devfn & 0x7f, 4)
        pasid = field(context, 19, 0)
        table, = self._entry("PASID directory entry", directory, pasid >> 6, 1)
        entry = self._entry("PASID table entry", table, pasid & 0x3f, 8)
        translation = field(entry[0], 8, 6)	# PASID Granular Translation Type
        if translation == 1:
            return first_stage(entry[2], field(entry[2], 3, 2))
        if translation == 2:
            return second_stage(entry[0], field(entry[0], 4, 2))
        raise NoLeaves("the function's requests pass through, or the translation "
                       "is nested")

    def _table(self, bus, devfn):
        """The root of the function's page tables."""
        if self.iommu not in topology.VTD:
            raise NoLeaves(f"there are no VT-d tables with --iommu {self.iommu}")
        status, = self.monitor.memory(REGISTERS + GSTS_REG, 1, "w")
        if not field(status, 31, 31):		# Translation Enable Status
            raise NoLeaves("the translation is off")
        root, = self.monitor.memory(REGISTERS + RTADDR_REG, 1)
        mode = field(root, 11, 10)
        if mode == LEGACY:
            return self._legacy(root, bus, devfn)
        if mode == SCALABLE:
            return self._scalable(root, bus, devfn)
        raise NoLeaves(f"the root table is in mode {mode}")

    def _count(self, table, first, last, counts):
        """Adds the leaves of @table for these addresses, which are relative to it.

        A table is one read, of the entries for the addresses.
        """
        shift = table.shift()
        low, high = first >> shift, last >> shift
        entries = self.monitor.memory(table.address + low * 8, high - low + 1)
        for index, entry in enumerate(entries, low):
            if not entry & table.present:
                continue
            if table.level == 1 or table.level <= 3 and entry & LARGE:
                counts[1 << shift] += 1
                continue
            start = index << shift
            self._count(table.below(entry), max(first - start, 0),
                        min(last - start, (1 << shift) - 1), counts)

    def answer(self, text):
        """The leaves of a function that touch addresses: "ok SIZE:NUMBER ...".

        @text: "BDF FIRST LAST"
        """
        request = REQUEST.fullmatch(text)
        if not request:
            return "error not BDF FIRST LAST"
        bus, device, function, first, last = (int(word, 16)
                                              for word in request.groups())
        counts = collections.Counter()
        try:
            table = self._table(bus, device << 3 | function)
            if not first <= last < 1 << table.shift() + LEVEL_BITS:
                raise NoLeaves("the addresses are not in the tables' range")
            self._count(table, first, last, counts)
        except (NoLeaves, monitor.Unreadable) as e:
            return f"error {e}"
        return " ".join(["ok", *(f"{size}:{number}"
                                 for size, number in sorted(counts.items()))])
