# SPDX-License-Identifier: GPL-2.0-only
# Sphinx, with the kernel's own directive for kernel-doc comments: see tools/docs/html.sh.
# pylint: disable=invalid-name
import pathlib

project = "vfio-snapshot"
author = "The vfio-snapshot developers"
copyright = author  # pylint: disable=redefined-builtin
extensions = ["kerneldoc"]
kerneldoc_srctree = str(pathlib.Path(__file__).resolve().parent.parent)
primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"description": "Live migration for VFIO PCI devices", "page_width": "1100px"}
html_copy_source = False
html_show_sphinx = False
