# SPDX-License-Identifier: GPL-2.0-only
"""Counts the IOTLB invalidations that QEMU's IOMMU got from the guest.

QEMU carries out an invalidation, and writes its trace line, before the guest's
next instruction.  So when the guest asks over a serial port, the lines of all
that it has sent until then are in the file.
"""

import collections
import os

EVENTS = ["vtd_inv_desc", "amdvi_pages_inval", "amdvi_all_inval",
          "virtio_iommu_unmap"]
PAGE_SHIFT = 12

# What the IOMMU is told to forget
PAGES, DOMAIN, ALL = "pages", "domain", "all"


def vtd(kind, high, low):
    """A descriptor of the invalidation queue (VT-d specification, 6.5.2)."""
    if kind not in ("iotlb", "p-iotlb"):	# p-: with a PASID
        return None
    granularity, domain = low >> 4 & 3, low >> 16 & 0xffff
    if granularity < 3:
        return (ALL if granularity == 1 else DOMAIN), domain, None
    size = 1 << PAGE_SHIFT + (high & 0x3f)
    first = high & -size
    return PAGES, domain, (first, first + size - 1)


def parse(line):
    """Kind, domain and addresses, None for all; or None if it is no flush."""
    event, *words = line.split()
    if event == "vtd_inv_desc":		# invalidate desc type T high H low L
        return vtd(words[3], int(words[5], 16), int(words[7], 16))
    if event == "amdvi_pages_inval":	# AMD-Vi pages for domain D invalidated
        return PAGES, int(words[4], 16), None
    if event == "amdvi_all_inval":
        return ALL, 0, None
    # virtio has unmap requests instead: domain=D virt_start=F virt_end=L
    domain, first, last = (int(word.partition("=")[2], 0) for word in words)
    return PAGES, domain, (first, last)


class Counter:
    """Has QEMU trace into a file of ours, and reads it when asked."""

    def __init__(self):
        self.file = open(os.memfd_create("flushes"), "rb")
        self.partial = b""

    def qemu_args(self):
        args = ["-D", f"/proc/self/fd/{self.file.fileno()}"]
        for event in EVENTS:
            args += ["-trace", event]
        return args

    def _new_lines(self):
        *lines, self.partial = (self.partial + self.file.read()).split(b"\n")
        return [line.decode() for line in lines]

    def answer(self, window):
        """What came since the last answer: "ok KIND:DOMAIN:INSIDE:OUTSIDE ...".

        @window: "FIRST LAST", addresses.  What touches it, or may do so as the
        addresses are not known (AMD), is inside.
        """
        low, high = (int(word, 0) for word in window.split())
        counts = collections.defaultdict(lambda: [0, 0])
        for line in self._new_lines():
            flush = parse(line)
            if flush:
                kind, domain, where = flush
                outside = where and (where[1] < low or where[0] > high)
                counts[kind, domain][bool(outside)] += 1
        return " ".join(["ok", *(f"{kind}:{domain}:{inside}:{outside}"
                                 for (kind, domain), (inside, outside)
                                 in sorted(counts.items()))])


def refuse(_window):
    return "error flushes are not counted: use qemu/run --count-flushes"
