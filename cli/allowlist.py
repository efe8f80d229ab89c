#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Write the kernel's allow-list of host bridges as data for "p2pbuf topo".

  cli/allowlist.py LINUX OUT

LINUX is a kernel source tree, or of one Makefile, drivers/pci/p2pdma.c and
include/linux/pci_ids.h.  OUT says at its head what it is made of.

What is around the list is code, and cli/predict.c does the same as that code.  If
one of its functions has changed, it is named, nothing is written, and the exit
status is 1: compare the two, correct cli/predict.c if need be, and put the
function's new digest, which the message has, into RULE.
"""

import argparse
import hashlib
import os
import re
import sys

HEAD = """\
# SPDX-License-Identifier: GPL-2.0-only
#
# Between which host bridges Linux allows peer-to-peer DMA.  Made by cli/allowlist.py out
# of drivers/pci/p2pdma.c.  One entry per line:
#
#   linux VERSION                    the kernel that this is the list of
#   cpu VENDOR FAMILY                allowed on CPUs of this vendor from this family on
#   bridge VENDOR DEVICE any         allowed if the first function on the root bus has these
#                                    ids; DEVICE may be "any"
#   bridge VENDOR DEVICE same-only   likewise, if both functions are below this host bridge
"""

# What cli/predict.c does by hand, as it was when the two were compared.
RULE = {
    "pci_bridge_has_acs_redir": "d873ca378969e017",
    "cpu_supports_p2pdma": "b78dbf39c319944c",
    "pci_host_bridge_dev": "ad19530f33bdeb65",
    "__host_bridge_whitelist": "e6bd8727a7e04744",
    "host_bridge_whitelist": "716184e5bd9242c4",
    "calc_map_type_and_dist": "ecbbfef23079f4bd",
}

# What cpu_supports_p2pdma() says.
CPUS = ["cpu AuthenticAMD 23"]

FLAGS = {"0": "any", "REQ_SAME_HOST_BRIDGE": "same-only"}


class Changed(Exception):
    """The source has not the form that is known here."""


def without_comments(code):
    return re.sub(r"/\*.*?\*/", "", code, flags=re.S)


def digest(code):
    """Of @code, whatever its layout."""
    return hashlib.sha256(" ".join(code.split()).encode()).hexdigest()[:16]


def function(source, name):
    """The definition of function @name, from the line with its name to its end."""
    found = re.search(rf"^(?:[^\n]*\W)?{name}\([^;{{]*\)\n\{{.*?^\}}", source, re.M | re.S)
    if not found:
        raise Changed(f"there is no {name}()")
    return found.group()


def check_rule(source):
    for name, known in RULE.items():
        now = digest(function(source, name))
        if now != known:
            raise Changed(f"{name}() has changed: its digest is {now}, not {known}")


def version(makefile):
    """As "uname -r" begins."""
    parts = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)", makefile,
                            re.M))
    try:
        return "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}{EXTRAVERSION}".format(**parts)
    except KeyError as missing:
        raise Changed(f"Makefile has no {missing}") from None


def number(word, ids):
    """Of an id that is a number or a macro."""
    if re.fullmatch(r"0x[0-9a-f]{4}", word):
        return word[2:]
    defined = re.search(rf"^#define\s+{word}\s+0x([0-9a-fA-F]{{4}})\b", ids, re.M)
    if not defined:
        raise Changed(f"pci_ids.h has no {word}")
    return defined.group(1).lower()


def bridges(source, ids):
    table = re.search(r"^\} pci_p2pdma_whitelist\[\] = \{\n(.*?)^\};", source, re.M | re.S)
    if not table:
        raise Changed("there is no pci_p2pdma_whitelist[]")
    *entries, end = re.findall(r"\{(.*?)\}", table.group(1), re.S)
    if end or not entries:
        raise Changed("pci_p2pdma_whitelist[] has no end, or nothing else")
    for entry in entries:
        words = [word.strip() for word in entry.split(",")]
        if len(words) != 3 or words[2] not in FLAGS:
            raise Changed(f"pci_p2pdma_whitelist[]: what is {{{entry}}}?")
        vendor, device, flags = words
        device = "any" if device == "PCI_ANY_ID" else number(device, ids)
        yield f"bridge {number(vendor, ids)} {device} {FLAGS[flags]}"


def allowlist(makefile, source, ids):
    """The text of the list, from the text of the three files."""
    source = without_comments(source)
    check_rule(source)
    return HEAD + "\n".join([f"linux {version(makefile)}", *CPUS, *bridges(source, ids)]) + "\n"


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("linux", metavar="LINUX")
    parser.add_argument("out", metavar="OUT")
    args = parser.parse_args()
    text = allowlist(read(args.linux, "Makefile"), read(args.linux, "drivers/pci/p2pdma.c"),
                     read(args.linux, "include/linux/pci_ids.h"))
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    try:
        main()
    except (Changed, OSError) as error:
        sys.exit(f"allowlist: {error}")
