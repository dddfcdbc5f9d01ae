# SPDX-License-Identifier: GPL-2.0-only
# Sphinx, with the kernel's own directive for kernel-doc comments: see tools/docs/html.sh.
# pylint: disable=invalid-name
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

project = "vfio-snapshot"
author = "The vfio-snapshot developers"
copyright = author  # pylint: disable=redefined-builtin
extensions = ["kerneldoc"]
kerneldoc_srctree = str(HERE.parent)
primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"description": "Live migration for VFIO PCI devices", "page_width": "1100px"}
html_copy_source = False
html_show_sphinx = False
# Before the first "make bench-doc" there is no picture of its result.
if not (HERE / "bench.svg").exists():
    suppress_warnings = ["image.not_readable"]
