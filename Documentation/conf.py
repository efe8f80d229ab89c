# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx's configuration, for "make docs"."""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "extensions"))

project = "p2pbuf"
copyright = "the p2pbuf authors"
extensions = ["kernel_markup"]
exclude_patterns = ["ABI"]
html_theme = "alabaster"
html_theme_options = {
    "description": "DMABUFs of PCI BAR memory for peer-to-peer DMA",
    "page_width": "70em",
    "fixed_sidebar": True,
}
html_copy_source = False
# Two dashes begin an option.
smartquotes = False
highlight_language = "none"

# Sparse's, in prototypes.
c_id_attributes = ["__user"]

# What kernel-doc refers to and is not ours is described elsewhere.
nitpick_ignore_regex = [(r"c:.*", r"(?!(p2pbuf|P2PBUF|edu)).*")]


def man_page(path):
    """Sphinx's description of the manual page in @path, whose title is
    "NAME - what it does"."""
    page = os.path.basename(path).removesuffix(".rst")
    with open(path, encoding="utf-8") as file:
        title = re.search(rf"^ *{re.escape(page)} - (\S.*?) *$", file.read(), re.M)
    if not title:
        raise ValueError(f'{path}: no title of the form "{page} - what it does"')
    return f"cli/{page}", page, title.group(1), "", 8


man_pages = [man_page(path)
             for path in sorted(glob.glob(os.path.join(HERE, "cli", "*.rst")))]
man_make_section_directory = False
