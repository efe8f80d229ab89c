#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Correct the kernel's drivers/dma-buf/dma-buf-mapping.c.

  bench/correct.py --module SOURCE OUT    a C file for p2pbuf_bench.ko, with
                                          the functions renamed
  bench/correct.py --patch SOURCE OUT     a patch against the kernel tree; the
                                          sender puts in From and adds the
                                          Signed-off-by

SOURCE is the kernel's file.  Neither it nor a diff of it is part of this tree:
the corrections are substitutions, each of which has to match as often as it
says.  One that does not is named, and nothing is written.
"""

import argparse
import difflib
import os
import re
import sys

PATH = "drivers/dma-buf/dma-buf-mapping.c"


class Mismatch(Exception):
    """A substitution does not match as often as it should."""


# What each correction is for, and its substitutions: pattern, replacement and
# number of matches.
CORRECTIONS = {
    "each range is linked behind the one before": [
        (r"(?<=phys_vec\[i\]\.paddr, )0(?=,)", "mapped_len", 1),
    ],
    "the scatterlist is freed": [
        (r"[.>]orig_nents\b", r"\g<0>", 1),		# not restored yet
        (r"^\tsg_free_table\(sgt\);",
         "\t/* sg_free_table() frees that many entries */\n"
         "\tsgt->orig_nents = sgt->nents;\n\\g<0>", 1),
    ],
    # dma_iova_destroy() of nothing mapped frees the IOVA; sg_free_table() does
    # nothing after sg_alloc_table() has failed.
    "the IOVA is freed on every error": [
        (r"(?<=if \()!i \|\| ", "", 1),
        (r"(?<=goto err_)free_state", "unmap_dma", 1),
        (r"^err_free_state:\n", "", 1),
        (r"^\tstruct scatterlist \*sgl(?=;)", "\\g<0> = NULL", 1),
    ],
    # A range can take several entries; sgl is the first one not filled.
    "only what was mapped is unmapped on error": [
        (r"^(\t+)for_each_sgtable_dma_sg\(&dma->sgt, sgl, i\)",
         r"\1struct scatterlist *end = sgl;" "\n\n"
         r"\1for (sgl = dma->sgt.sgl; sgl != end; sgl = sg_next(sgl))", 1),
    ],
}

# The module's own names, and what a module cannot call.
ADAPTATIONS = {
    "functions of the module's own": [
        (r"^EXPORT_SYMBOL.*\n", "", 2),
        (r"\bdma_buf_phys_vec_to_sgt\b", "corrected_phys_vec_to_sgt", 3),
        (r"\bdma_buf_free_sgt\b", "corrected_free_sgt", 3),
        (r"(?<=switch \()pci_p2pdma_map_type\b", "bench_map_type", 1),
        (r"^#include <linux/align\.h>\n", '\\g<0>\n#include "bench.h"\n', 1),
    ],
}

MESSAGE = """\
From: Your Name <you@example.com>
Subject: [PATCH] dma-buf: fix mapping of several ranges, leaks and unwinding

dma_buf_phys_vec_to_sgt() and dma_buf_free_sgt() have four defects:

- Every range is linked at offset 0 of the IOVA space. dma_iova_link() of
  the second one fails with -EADDRINUSE, so only buffers of a single range
  can be mapped behind a translating IOMMU. Link each range at the number
  of bytes that are linked already.

- orig_nents is set to 0 so that importers see that there is no CPU list,
  but it is also what sg_free_table() goes by. It frees nothing, and each
  unmap leaks the scatterlist. Restore it from nents, which still holds
  the number of allocated entries.

- When dma_iova_link() fails for the first range, or sg_alloc_table()
  fails, the IOVA space is leaked. Take the path that destroys it:
  dma_iova_destroy() copes with nothing being linked, and sg_free_table()
  with a table that was not allocated.

- When dma_map_phys() fails for a later range, all entries of the
  scatterlist are unmapped, also those that were never filled:
  dma_unmap_phys() is called for address 0 and length 0, which dma-debug
  reports. Stop at the first entry that was not filled; a range longer
  than MAX_SG_ENT_SZ fills several.

Fixes: 3aa31a8bb11e ("dma-buf: provide phys_vec to scatter-gather mapping routine")
---
"""


def substitute(text, corrections):
    for what, substitutions in corrections.items():
        for pattern, replacement, expected in substitutions:
            text, count = re.subn(pattern, replacement, text, flags=re.M)
            if count != expected:
                raise Mismatch(
                    f'"{what}" no longer applies, upstream may have fixed it: '
                    f"{pattern!r} matches {count} times, not {expected}")
    return text


def module(old):
    return substitute(substitute(old, CORRECTIONS), ADAPTATIONS)


def patch(old):
    new = substitute(old, CORRECTIONS)
    diff = difflib.unified_diff(old.splitlines(keepends=True),
                                new.splitlines(keepends=True),
                                f"a/{PATH}", f"b/{PATH}")
    return f"{MESSAGE}\ndiff --git a/{PATH} b/{PATH}\n{''.join(diff)}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="bench/correct.py --module|--patch SOURCE OUT")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--module", dest="make", action="store_const",
                      const=module, help=argparse.SUPPRESS)
    kind.add_argument("--patch", dest="make", action="store_const",
                      const=patch, help=argparse.SUPPRESS)
    parser.add_argument("source", help=argparse.SUPPRESS)
    parser.add_argument("out", help=argparse.SUPPRESS)
    args = parser.parse_args()

    with open(args.source, encoding="utf-8") as file:
        text = args.make(file.read())
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, OSError) as error:
        sys.exit(f"correct: {error}")
